"""Changes: which next step would move a customer. Each is played on the customer's own lines, in memory."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from itertools import groupby

import numpy as np

from segmentation.errors import SegmentationError
from segmentation.explanations.customer_explanation import Change, Outlook, Reach
from segmentation.explanations.honest_steps import Judged, Played, honest_steps
from segmentation.explanations.next_steps import BUYING_DAYS, Step, next_steps
from segmentation.explanations.segment_ranks import is_fading, segment_ranks
from segmentation.features.one_customer import OrderLine, compute_features
from segmentation.features.windows import Window, window_of
from segmentation.metadata.features import BY_NAME
from segmentation.modeling.artefact import Evaluator, Floats, Segment
from segmentation.modeling.nearest import nearest
from segmentation.segments.columns import NOBODY, Before, Hysteresis, segment_columns

NOBODY_ANY_MORE = "no purchase left in the window"


@dataclass(frozen=True)
class Placement:
    """Where a snapshot put a customer, and what it takes to leave; without a segment, they stand in the nearest one.

    Attributes:
        hysteresis: What it takes to change segment.
        segment_id: Their segment.
        nearest_id: The one that was nearest; unknown in rows of an older release.
        nearest_since: Since when it had been.
    """

    hysteresis: Hysteresis
    segment_id: int | None = None
    nearest_id: int | None = None
    nearest_since: date | None = None

    @property
    def is_held(self) -> bool:
        """Whether another segment was nearer than theirs."""
        return self.nearest_id is not None and self.nearest_id != self.segment_id


def find_changes(
    evaluator: Evaluator,
    transactions: Sequence[OrderLine],
    window: Window,
    home_market: str | None = None,
    placement: Placement | None = None,
) -> Outlook:
    """What may happen next to a customer, as far as it can honestly be told.

    Each step of `next_steps` is played on the customer's own lines, the features are computed anew as of when it is
    over, and the segment is found as the next snapshot would find it then. If no order of the next 30 days does
    anything for them, those of the next 90 are played. `honest_steps` says which of them are told;
    of steps of a kind that lead to the same segment (one more order, two more, …) only the least. How small a step is,
    is how far it moves the customer in model space.

    Args:
        evaluator: Of the model.
        transactions: The customer's lines, and nobody else's, in the columns of the transaction contract, with
            `ordered_at` as naive datetimes (UTC).
        window: The window that the model's features look at, up to the date from which to look ahead.
        home_market: The shop's home market.
        placement: Where they are, and what it takes to leave; the nearest segment, and nothing, if None.

    Raises:
        SegmentationError: There is no purchase in the window, or the model uses a feature that compares
            customers, which nobody has alone.
    """
    as_of = window.as_of
    own = [line for line in transactions if window.starts_at <= line["ordered_at"] < window.ends_at]
    if not any(line["quantity"] > 0 for line in own):
        raise SegmentationError(f"The customer has no purchase in the window before {as_of}.")
    for days in BUYING_DAYS:
        outlook = _outlook(evaluator, own, window, home_market, placement or Placement(Hysteresis()), days)
        if outlook.reach.kind != "nothing":
            break
    return outlook


def _outlook(
    evaluator: Evaluator,
    lines: Sequence[OrderLine],
    window: Window,
    home_market: str | None,
    placement: Placement,
    days: int,
) -> Outlook:
    """What may happen if orders are placed within some days."""
    as_of, segments = window.as_of, evaluator.artefact.segments
    now, steps = Step("waiting", "now", as_of, tuple(lines)), next_steps(lines, as_of, window.zone, days)
    features = dict(_features_after(evaluator, [now, *steps], window, home_market))
    before, start = _placed(evaluator, features[now.text], as_of, placement)
    targets = _targets(evaluator, steps, features, before)
    place = evaluator.coordinates(features[now.text][np.newaxis])
    played = [_played(evaluator, step, targets, features, place) for step in steps]
    ranks, fading = segment_ranks(segments), [is_fading(segment.name) for segment in segments]
    told, left_out = honest_steps(start, played, ranks, fading, days)
    changes = tuple(_change(segments, each) for each in told)
    return Outlook(changes, _reach(changes, left_out, is_highest=ranks[start] == max(ranks)))


def _features_after(
    evaluator: Evaluator, steps: Sequence[Step], window: Window, home_market: str | None
) -> Iterator[tuple[str, Floats]]:
    """Text and raw features of each step that leaves the customer with a purchase in the window; shape (d,)."""
    names = evaluator.artefact.feature_names
    alone = [name for name in names if BY_NAME[name].compares_customers]
    if alone:
        raise SegmentationError(f"The model uses {', '.join(alone)}, which can't be computed of one customer.")
    for as_of, group in groupby(sorted(steps, key=lambda step: step.as_of), key=lambda step: step.as_of):
        lines = [{**line, "customer_id": step.text} for step in group for line in step.lines]
        found = compute_features(lines, window_of(as_of, window.lookback_days, window.zone), home_market)
        for text, row in found.items():
            yield text, np.array([row[name] for name in names], dtype=np.float64)


def _placed(evaluator: Evaluator, features: Floats, as_of: date, placement: Placement) -> tuple[Placement, int]:
    """Where the customer stands, and the index of that segment: the nearest one if theirs is none of the model's."""
    ids = [segment.id for segment in evaluator.artefact.segments]
    if placement.segment_id in ids:
        return placement, ids.index(placement.segment_id)
    place = int(nearest(evaluator.coordinates(features[np.newaxis]), evaluator.centroids).segment[0])
    return Placement(placement.hysteresis, ids[place], ids[place], as_of), place


def _targets(
    evaluator: Evaluator, steps: Sequence[Step], features: dict[str, Floats], before: Placement
) -> dict[str, int]:
    """Index of the segment after each step that leaves the customer with features."""
    ids = [segment.id for segment in evaluator.artefact.segments]
    then = Before(
        np.array([before.segment_id]),
        np.array([NOBODY if before.nearest_id is None else before.nearest_id]),
        np.array([before.nearest_since], dtype="datetime64[D]"),
    )
    found: dict[str, int] = {}
    for step in steps:
        if step.text in features:
            row = features[step.text][np.newaxis]
            columns = segment_columns(evaluator, 0, row, as_of=step.as_of, before=then, hysteresis=before.hysteresis)
            found[step.text] = ids.index(int(columns["segment_id"][0]))
    return found


def _played(
    evaluator: Evaluator, step: Step, targets: dict[str, int], features: dict[str, Floats], place: Floats
) -> Played:
    if step.text not in targets:
        return Played(step, None, None)
    point = evaluator.coordinates(features[step.text][np.newaxis])
    return Played(step, targets[step.text], float(np.linalg.norm(point - place)))


def _change(segments: Sequence[Segment], told: Judged) -> Change:
    step, distance = told.played.step, told.played.distance
    if told.played.target is None:
        return Change(step.text, step.as_of, None, None, distance, f"{step.text} → {NOBODY_ANY_MORE}", told.direction)
    segment = segments[told.played.target]
    sentence = f"{step.text} → {segment.name}"
    if told.direction == "keeps":
        otherwise = NOBODY_ANY_MORE if told.otherwise is None else segments[told.otherwise].name
        sentence = f"{step.text} → still {segment.name}; without it: {otherwise}"
    return Change(step.text, step.as_of, segment.id, segment.name, distance, sentence, told.direction)


def _reach(changes: Sequence[Change], left_out: int, *, is_highest: bool) -> Reach:
    directions = {change.direction for change in changes}
    if "up" in directions:
        return Reach("up", "Orders within reach move them to a segment that is worth more.", left_out)
    if "keeps" in directions:
        return Reach("keeps", "Orders within reach keep them in their segment; none moves them further up.", left_out)
    if is_highest:
        return Reach("highest", "They are in the segment that is worth most: there is none to move up to.", left_out)
    return Reach(
        "nothing", "Nothing within reach: no orders of the next 90 days that were tried move them up.", left_out
    )
