"""What holds for whole groups of assets: who owns them, and how old what people read may become."""

from datetime import timedelta

import dagster as dg

from segmentation.snapshots.cadence import Cadence

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
MOST_DAYS: dict[Cadence, tuple[int, int]] = {"daily": (2, 4), "weekly": (9, 14), "monthly": (33, 40)}
"""By cadence, after how many days there is a warning and a failure: one step, and days for late data and people."""


def with_policies(cadence: Cadence, spec: dg.AssetSpec) -> dg.AssetSpec:
    """An asset with its owner and, if people read it, the age that it may reach."""
    group = spec.group_name or ""
    freshness = spec.freshness_policy
    if group in READ_BY_PEOPLE:
        warn, fail = (timedelta(days=days) for days in MOST_DAYS[cadence])
        freshness = dg.FreshnessPolicy.time_window(warn_window=warn, fail_window=fail)
    return spec.replace_attributes(owners=[OWNERS[group]], freshness_policy=freshness)
