"""Planned migration: where candidate after candidate is stopped, the best of them takes over all the same.

A champion that no candidate may follow, since each would move too many customers, grows old. After a number of
candidates in a row (`migrate_after`) the one that gains most on the present customers serves, if it gains at all and
nothing but the number of customers it moves is against it; people are told what becomes of each segment.
"""

from dataclasses import dataclass

from segmentation.modeling import registry
from segmentation.modeling.evidence import gather
from segmentation.modeling.gates import GateResult, evaluate, gain
from segmentation.modeling.requirements import MOVEMENT
from segmentation.warehouse import Lake


@dataclass(frozen=True)
class Migration:
    """The version to migrate to.

    Attributes:
        version: The version.
        stopped: How many candidates in a row were refused or passed over.
        gain: How much more it tells of later spend and behaviour than the champion, relative to that.
        verdicts: What its gates say of it, on the present customers.
    """

    version: int
    stopped: int
    gain: float
    verdicts: dict[str, GateResult]


def plan_migration(lake: Lake, candidate: int) -> Migration | None:
    """The best of the last candidates, judged by the customers of the newest one; None if it isn't time, or none gains.

    Args:
        lake: The lake.
        candidate: The candidate that was stopped last.

    Raises:
        SegmentationError: The snapshot that it was trained on has been expired.
    """
    settings = lake.settings
    with lake.cursor() as con:
        stopped = registry.stopped_since_promotion(con)
        last = [each for each in stopped[-settings.migrate_after :] if not registry.was_rolled_back(con, each)]
        pinned = registry.training_set(con, registry.load(con, candidate).training_set_id)
    if not settings.migrate_after or len(stopped) < settings.migrate_after:
        return None
    found: list[Migration] = []
    for version in last:
        evidence = gather(lake, version, settings, pinned)
        verdicts = evaluate(evidence, settings)
        stops = [name for name, verdict in verdicts.items() if verdict.stops]
        if gain(evidence) > 0 and stops in ([], [MOVEMENT]):
            found.append(Migration(version, len(stopped), gain(evidence), verdicts))
    return max(found, key=lambda each: (each.gain, each.version), default=None)
