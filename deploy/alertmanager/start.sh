#!/bin/sh
# Puts what the receivers send into Alertmanager's configuration, which has no includes, and starts it. Of each receiver
# NAME that is in RECEIVERS/NAME.yml; a receiver without a file sends nothing.
#
#     start.sh CONFIGURATION RECEIVERS RESULT COMMAND…
set -eu
configuration=$1 receivers=$2 result=$3
shift 3
sed -e "/^  - name: page$/r $receivers/page.yml" \
    -e "/^  - name: ticket$/r $receivers/ticket.yml" \
    -e "/^  - name: info$/r $receivers/info.yml" \
    -e "/^  - name: watchdog$/r $receivers/watchdog.yml" \
    "$configuration" >"$result"
exec "$@"
