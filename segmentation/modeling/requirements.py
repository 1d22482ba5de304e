"""What any model must show: one list, which the search keeps to and the gates judge by.

A requirement names a figure, by the names of `fitting.metrics.MEANINGS`, and the setting that bounds it. How a model
has to compare with the champion is the gates' affair; of that, the search knows how many customers a trial would move.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from segmentation.settings import Settings


@dataclass(frozen=True)
class Requirement:
    """A figure that must not fall below a setting.

    Attributes:
        name: Of the gate, and of the search's constraint.
        figure: What is judged.
        setting: The least that it may be.
    """

    name: str
    figure: str
    setting: str

    def least(self, settings: Settings) -> float:
        """The threshold."""
        return float(getattr(settings, self.setting))


SMALLEST_SEGMENT = Requirement("smallest_segment", "smallest_share", "min_segment_share")
SEPARATION = Requirement("separation", "simplified_silhouette", "min_separation")
STABILITY = Requirement("stability", "stability", "min_stability")
FORWARD_VALUE = Requirement("forward_value", "forward_eta_squared", "min_forward_value")

REQUIREMENTS = (SMALLEST_SEGMENT, SEPARATION, STABILITY, FORWARD_VALUE)

MOVEMENT = "movement"


def lacks(figures: Mapping[str, float], settings: Settings) -> dict[str, float]:
    """Per requirement whose figure is known, how much is missing; zero or less where it is kept.

    A model that follows another one (it has a `kept_share`) shall move no more customers than one that is no better
    may; what is gained by more, the gates weigh.
    """
    found = {each.name: each.least(settings) - figures[each.figure] for each in REQUIREMENTS if each.figure in figures}
    moved = 1.0 - figures.get("kept_share", 1.0)
    return {MOVEMENT: moved - settings.max_customers_moved, **found}
