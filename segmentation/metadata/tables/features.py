"""Features: customer by `as_of`, with columns from the feature catalogue."""

from segmentation.metadata.features import FEATURES, GROUPS, Feature, of_group
from segmentation.metadata.table import Column, Table
from segmentation.metadata.tables.columns import AS_OF, CUSTOMER


def _feature_column(feature: Feature) -> Column:
    return Column(feature.name, feature.type, f"{feature.description} Unit: {feature.unit}.")


def _feature_table(name: str, comment: str, features: tuple[Feature, ...]) -> Table:
    return Table(
        name,
        comment,
        (AS_OF, CUSTOMER, *(_feature_column(feature) for feature in features)),
        partitioned_by="as_of",
        sorted_by=("customer_id",),
    )


FEATURE_GROUPS = {
    group: _feature_table(
        f"features.{group}",
        f"One customer with a purchase in the look-back window before as_of: {group} features.",
        of_group(group),
    )
    for group in GROUPS
}

CUSTOMER_FEATURES = _feature_table(
    "features.customer_features",
    "One customer with a purchase in the look-back window before as_of: all feature groups side by side.",
    FEATURES,
)
