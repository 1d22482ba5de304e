"""The feature catalogue: the one place that says what each feature is.

It feeds the tables' DDL and comments, Dagster's column schemas, the model's preprocessing and the scorer's schema.
How a feature is computed stands in `features/kernel/`: a line of the function of its group, and a row in the module of
its group here.
"""

from segmentation.metadata.features.behaviour import BEHAVIOUR
from segmentation.metadata.features.diversity import DIVERSITY
from segmentation.metadata.features.feature import GROUPS, NOTATION, Feature, Group, Transform
from segmentation.metadata.features.rfm import RFM
from segmentation.metadata.features.temporal import TEMPORAL

__all__ = [
    "BY_NAME",
    "FEATURES",
    "GROUPS",
    "NOTATION",
    "Feature",
    "Group",
    "Transform",
    "modelled",
    "of_group",
]

FEATURES: tuple[Feature, ...] = (*RFM, *DIVERSITY, *TEMPORAL, *BEHAVIOUR)
BY_NAME: dict[str, Feature] = {feature.name: feature for feature in FEATURES}


def of_group(group: Group) -> tuple[Feature, ...]:
    """The features of one group, in catalogue order."""
    return tuple(feature for feature in FEATURES if feature.group == group)


def modelled() -> tuple[Feature, ...]:
    """The features that models use by default."""
    return tuple(feature for feature in FEATURES if feature.is_modelled)
