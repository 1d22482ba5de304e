"""One customer: which features put them into their segment, and which next step would move them. Pure functions.

Both need only the artefact's evaluation in NumPy, so that the scorer can use them.
"""

from collections.abc import Iterator, Sequence
from datetime import date, datetime, time

import numpy as np

from segmentation.errors import SegmentationError
from segmentation.explanations.contributions import Change, Contribution
from segmentation.explanations.next_steps import WAITING_AS_LONG, Line, Step, next_steps
from segmentation.explanations.wording import figure, noun
from segmentation.features.one_customer import FeatureCalculator
from segmentation.features.windows import window_of
from segmentation.metadata.features import BY_NAME
from segmentation.modeling.artefact import Evaluator, Floats, nearest

NEGLIGIBLE = 0.01
"""Features with less than this share of all pulls hardly matter."""


def explain_customer(evaluator: Evaluator, features: Floats, typical: Floats) -> list[Contribution]:
    """By how much each feature pulls a customer to their segment rather than the runner-up.

    The difference d2² - d1² of the squared distances is affine in model space, and model space adds up what features
    give, with or without a projection. So replacing one feature by another value changes it by an amount that does
    not depend on the other features (their Shapley values are the same). The value that replaces is a customer between
    the typical ones of both segments, just where the model is undecided; hence all contributions sum to d2² - d1².
    If no mixture of both is undecided, the rest is spread evenly.

    Args:
        evaluator: Of the model.
        features: Shape (d,), in the order of the artefact; NaN where missing.
        typical: Shape (number of segments, d): raw features of the typical customer of each segment, NaN where they
            have none.

    Returns:
        One per feature, the strongest first.

    Raises:
        SegmentationError: A feature is missing that the model has no rule for.
    """
    found = evaluator.assign(features[np.newaxis])
    first, second = int(found.segment[0]), int(found.runner_up[0])
    own, other = typical[first], typical[second]
    gap = _gaps(evaluator, np.array([features, own, other]), first, second)
    if np.isnan(gap[0]):
        raise SegmentationError("The customer lacks a feature that the model has no rule for.")
    replaced = np.array([_gaps(evaluator, _with_each(features, values), first, second) for values in (own, other)])
    weight = np.clip(gap[2] / (gap[2] - gap[1]), 0.0, 1.0) if gap[1] > gap[2] else 0.5
    pulls = gap[0] - weight * replaced[0] - (1 - weight) * replaced[1]
    pulls += (gap[0] - pulls.sum()) / len(pulls)
    names = [evaluator.artefact.segments[index].name for index in (first, second)]
    verdicts = np.where(np.abs(pulls) < NEGLIGIBLE * np.abs(pulls).sum(), "hardly matters", "")
    contributions = [
        _contribution(name, (features[i], own[i], other[i]), float(pulls[i]), names, str(verdicts[i]))
        for i, name in enumerate(evaluator.artefact.feature_names)
    ]
    return sorted(contributions, key=lambda c: (-abs(c.contribution), c.feature))


def smallest_change(
    calculator: FeatureCalculator,
    evaluator: Evaluator,
    transactions: Sequence[Line],
    as_of: date,
    *,
    lookback_days: int | None = None,
    home_market: str | None = None,
) -> list[Change]:
    """The next steps that would move a customer to another segment, the smallest first.

    Each step of `next_steps` is played on the customer's own lines, and the features are computed anew as of when it is
    over. How small a step is, is how far it moves the customer in model space. Of steps of a kind that lead to the same
    segment (one more order, two more, …) only the least is told, and none that leads where doing nothing leads.

    Args:
        calculator: Computes features.
        evaluator: Of the model.
        transactions: The customer's lines, and nobody else's, in the columns of the transaction contract, with
            `ordered_at` as naive datetimes (UTC).
        as_of: The date from which to look ahead; later lines do not count.
        lookback_days: Length of the window that the model's features look at.
        home_market: The shop's home market.

    Raises:
        SegmentationError: There is no purchase before `as_of` in the window, or the model uses a feature that compares
            customers, which nobody has alone.
    """
    own = _in_window(transactions, as_of, lookback_days)
    if not any(line["quantity"] > 0 for line in own):
        raise SegmentationError(f"The customer has no purchase in the window before {as_of}.")
    now, *steps = [Step("waiting", "now", as_of, tuple(own)), *next_steps(own, as_of)]
    points = {
        step.text: evaluator.coordinates(row[np.newaxis])
        for step, row in _features_after(calculator, evaluator, [now, *steps], lookback_days, home_market)
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
    calculator: FeatureCalculator,
    evaluator: Evaluator,
    steps: Sequence[Step],
    lookback_days: int | None,
    home_market: str | None,
) -> Iterator[tuple[Step, Floats]]:
    """Raw features after each step that leaves the customer with a purchase in the window; shape (d,)."""
    names = evaluator.artefact.feature_names
    alone = [name for name in names if BY_NAME[name].compares_customers]
    if alone:
        raise SegmentationError(f"The model uses {', '.join(alone)}, which can't be computed of one customer.")
    for as_of in sorted({step.as_of for step in steps}):
        same_day = [step for step in steps if step.as_of == as_of]
        lines = [{**line, "customer_id": step.text} for step in same_day for line in step.lines]
        found = calculator.compute(lines, as_of, lookback_days=lookback_days, home_market=home_market)
        for step in same_day:
            if step.text in found:
                yield step, np.array([found[step.text][name] for name in names], dtype=np.float64)


def _in_window(lines: Sequence[Line], as_of: date, lookback_days: int | None) -> list[Line]:
    start, end = (datetime.combine(day, time()) for day in (window_of(as_of, lookback_days).start, as_of))
    return [line for line in lines if start <= line["ordered_at"] < end]


def _gaps(evaluator: Evaluator, features: Floats, first: int, second: int) -> Floats:
    """d2² - d1² of each row."""
    points = evaluator.coordinates(features)
    return np.asarray(_squared(points, evaluator.centroids[second]) - _squared(points, evaluator.centroids[first]))


def _squared(points: Floats, centroid: Floats) -> Floats:
    return np.asarray(((points - centroid) ** 2).sum(axis=1))


def _with_each(features: Floats, values: Floats) -> Floats:
    """The customer with one feature replaced at a time; shape (d, d)."""
    rows = np.tile(features, (len(features), 1))
    np.fill_diagonal(rows, values)
    return rows


def _contribution(
    name: str, values: tuple[float, float, float], pull: float, segments: Sequence[str], verdict: str
) -> Contribution:
    mine, theirs, others = (None if np.isnan(number) else float(number) for number in values)
    said = ["none" if number is None else figure(name, number) for number in (mine, theirs, others)]
    sentence = (
        f"{noun(name).capitalize()}: {said[0]}, where {segments[0]} typically have {said[1]} and {segments[1]} "
        f"{said[2]}; {verdict or f'speaks for {segments[0 if pull >= 0 else 1]}'}"
    )
    return Contribution(name, mine, theirs, others, pull, sentence)


def _change(evaluator: Evaluator, step: Step, target: int | None, distance: float | None) -> Change:
    if target is None:
        return Change(step.text, step.as_of, None, None, distance, f"{step.text} → no purchase left in the window")
    segment = evaluator.artefact.segments[target]
    return Change(step.text, step.as_of, segment.id, segment.name, distance, f"{step.text} → {segment.name}")
