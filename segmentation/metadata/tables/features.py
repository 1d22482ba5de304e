"""Features: customer by `as_of`, with columns from the feature catalogue, in one table with a view per group."""

from segmentation.metadata.features import FEATURES, GROUPS, Feature, of_group
from segmentation.metadata.table import Column, Table, View
from segmentation.metadata.tables.columns import AS_OF, CUSTOMER


def _feature_column(feature: Feature) -> Column:
    return Column(feature.name, feature.type, f"{feature.description} Unit: {feature.unit}.")


def _columns(features: tuple[Feature, ...]) -> tuple[Column, ...]:
    return (AS_OF, CUSTOMER, *(_feature_column(feature) for feature in features))


CUSTOMER_FEATURES = Table(
    "features.customer_features",
    "One customer with a purchase in the look-back window before as_of: all feature groups side by side.",
    _columns(FEATURES),
    partitioned_by="as_of",
    sorted_by=("customer_id",),
)

FEATURE_GROUPS = {
    group: View(
        f"features.{group}",
        f"One customer with a purchase in the look-back window before as_of: {group} features. "
        f"A view of {CUSTOMER_FEATURES.name}, which describes its columns.",
        _columns(of_group(group)),
        CUSTOMER_FEATURES,
    )
    for group in GROUPS
}
