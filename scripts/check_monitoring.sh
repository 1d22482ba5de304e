#!/usr/bin/env bash
# Checks Prometheus's and Alertmanager's configuration with their own tools, and runs the tests of the alert rules. Needs
# Debian's packages `prometheus` and `prometheus-alertmanager`; without them it says so and passes, but not in CI.
set -euo pipefail

cd "$(dirname "${BASH_SOURCE[0]}")/../deploy"

if ! command -v promtool >/dev/null || ! command -v amtool >/dev/null; then
    echo "Alert rules are not checked: apt-get install prometheus prometheus-alertmanager" >&2
    [ -z "${CI:-}" ]
    exit
fi

quietly() {
    local said
    said=$("$@" 2>&1) || { echo "$said" >&2; return 1; }
}

# The scorer's key is not in the repository, and its absence no fault of the configuration.
quietly promtool check config --syntax-only prometheus/prometheus.yml
quietly promtool check rules --lint-fatal prometheus/rules/*.yml
quietly promtool test rules prometheus/tests/*.yml

# With receivers that send nothing, and with each example as all of them.
result=$(mktemp -d)
trap 'rm -r "$result"' EXIT
quietly amtool check-config alertmanager/alertmanager.yml
for example in alertmanager/receivers/examples/*.yml; do
    for receiver in page ticket info watchdog; do
        cp "$example" "$result/$receiver.yml"
    done
    quietly alertmanager/start.sh alertmanager/alertmanager.yml "$result" "$result/all" amtool check-config "$result/all"
done

echo "Alert rules and notifications are sound."
