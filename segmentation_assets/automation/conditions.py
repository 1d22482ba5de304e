"""Conditions: what follows by itself when something upstream has changed."""

import dagster as dg

WHEN_SOUND = (dg.AutomationCondition.eager() & dg.AutomationCondition.all_deps_blocking_checks_passed()).with_label(
    "when what it depends on has changed and passed its blocking checks"
)
"""A blocking check stops only its own run; this one makes it stop what automation would start, too."""
