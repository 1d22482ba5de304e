"""Changes: which next step would move a customer. Each is played on the customer's own lines, in memory."""

from collections.abc import Iterator, Sequence

import numpy as np

from segmentation.errors import SegmentationError
from segmentation.explanations.customer_explanation import Change
from segmentation.explanations.next_steps import WAITING_AS_LONG, Step, next_steps
from segmentation.features.one_customer import OrderLine, compute_features
from segmentation.features.windows import Window, window_of
from segmentation.metadata.features import BY_NAME
from segmentation.modeling.artefact import Evaluator, Floats
from segmentation.modeling.nearest import nearest


def find_changes(
    evaluator: Evaluator, transactions: Sequence[OrderLine], window: Window, home_market: str | None = None
) -> list[Change]:
    """The next steps that would move a customer to another segment, the smallest first.

    Each step of `next_steps` is played on the customer's own lines, and the features are computed anew as of when it is
    over. How small a step is, is how far it moves the customer in model space. Of steps of a kind that lead to the same
    segment (one more order, two more, …) only the least is told, and none that leads where doing nothing leads.

    Args:
        evaluator: Of the model.
        transactions: The customer's lines, and nobody else's, in the columns of the transaction contract, with
            `ordered_at` as naive datetimes (UTC).
        window: The window that the model's features look at, up to the date from which to look ahead.
        home_market: The shop's home market.

    Raises:
        SegmentationError: There is no purchase in the window, or the model uses a feature that compares
            customers, which nobody has alone.
    """
    as_of = window.as_of
    own = [line for line in transactions if window.starts_at <= line["ordered_at"] < window.ends_at]
    if not any(line["quantity"] > 0 for line in own):
        raise SegmentationError(f"The customer has no purchase in the window before {as_of}.")
    now, *steps = [Step("waiting", "now", as_of, tuple(own)), *next_steps(own, as_of, window.zone)]
    points = {
        step.text: evaluator.coordinates(row[np.newaxis])
        for step, row in _features_after(evaluator, [now, *steps], window, home_market)
    }
    targets = {text: int(nearest(point, evaluator.centroids).segment[0]) for text, point in points.items()}
    # A step that leads where waiting leads is not what moves the customer.
    unmoved = {"buying": targets.get(WAITING_AS_LONG), "waiting": None, "returning": None}
    changes: dict[tuple[str, int | None], Change] = {}
    for step in steps:
        target = targets.get(step.text)
        if target != targets[now.text] and (target is None or target != unmoved[step.kind]):
            moved = float(np.linalg.norm(points[step.text] - points[now.text])) if step.text in points else None
            changes.setdefault((step.kind, target), _change(evaluator, step, target, moved))
    return sorted(changes.values(), key=lambda change: np.inf if change.distance is None else change.distance)


def _features_after(
    evaluator: Evaluator, steps: Sequence[Step], window: Window, home_market: str | None
) -> Iterator[tuple[Step, Floats]]:
    """Raw features after each step that leaves the customer with a purchase in the window; shape (d,)."""
    names = evaluator.artefact.feature_names
    alone = [name for name in names if BY_NAME[name].compares_customers]
    if alone:
        raise SegmentationError(f"The model uses {', '.join(alone)}, which can't be computed of one customer.")
    for as_of in sorted({step.as_of for step in steps}):
        same_day = [step for step in steps if step.as_of == as_of]
        lines = [{**line, "customer_id": step.text} for step in same_day for line in step.lines]
        found = compute_features(lines, window_of(as_of, window.lookback_days, window.zone), home_market)
        for step in same_day:
            if step.text in found:
                yield step, np.array([found[step.text][name] for name in names], dtype=np.float64)


def _change(evaluator: Evaluator, step: Step, target: int | None, distance: float | None) -> Change:
    if target is None:
        return Change(step.text, step.as_of, None, None, distance, f"{step.text} → no purchase left in the window")
    segment = evaluator.artefact.segments[target]
    return Change(step.text, step.as_of, segment.id, segment.name, distance, f"{step.text} → {segment.name}")
