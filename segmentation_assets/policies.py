"""What holds for whole groups of assets: who owns them, and how old what people read may become."""

from datetime import timedelta

import dagster as dg

OWNERS = {
    "sources": "team:data-engineering",
    "raw": "team:data-engineering",
    "warehouse": "team:data-engineering",
    "features": "team:data-science",
    "training": "team:data-science",
    "monitoring": "team:data-science",
    "segments": "team:marketing",
}
"""By group. Dagster shows them, and lets people filter by them."""

READ_BY_PEOPLE = {"features", "segments", "monitoring"}
MONTHLY = dg.FreshnessPolicy.time_window(warn_window=timedelta(days=33), fail_window=timedelta(days=40))
"""Snapshots are monthly: the longest month, and some days for late data and for people."""


def with_policies(spec: dg.AssetSpec) -> dg.AssetSpec:
    """An asset with its owner and, if people read it, the age that it may reach."""
    group = spec.group_name or ""
    freshness = MONTHLY if group in READ_BY_PEOPLE else spec.freshness_policy
    return spec.replace_attributes(owners=[OWNERS[group]], freshness_policy=freshness)
