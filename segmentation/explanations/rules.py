"""Rules: how to describe a segment's customers by a few conditions on their features. Needs scikit-learn.

One shallow decision tree per segment tells it from all others; its best leaf, with thresholds rounded as people would
say them and conditions dropped that add nothing, is the rule. Precision and coverage are those of the rounded rule.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from math import floor, log10
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from segmentation.explanations.findings import Characteristic
from segmentation.explanations.sample import Sample
from segmentation.explanations.wording import condition, listed, percent
from segmentation.metadata.features import BY_NAME
from segmentation.modeling.artefact import Floats

if TYPE_CHECKING:
    from sklearn.tree import DecisionTreeClassifier

DEPTH = 3
RULES = 2
"""How many rules a segment has at most."""

LEAF_SHARE = 0.005
"""A leaf holds at least this share of the customers, and at least `LEAF_CUSTOMERS`."""

LEAF_CUSTOMERS = 5
SECOND_RULE = 0.15
"""A further rule is worth its line if it is right more often than not and adds this share of the segment."""

BREVITY = 0.02
"""A condition is dropped if the F1 score loses no more than this."""

KNOWN_SHARE = 0.99
"""Only features that at least this share of customers has make good rules."""

Mask = NDArray[np.bool_]


@dataclass(frozen=True)
class Condition:
    """One feature above `lower` and at most `upper`; either may be open."""

    feature: str
    lower: float | None = None
    upper: float | None = None

    def holds(self, values: Floats) -> Mask:
        """Which values meet it; unknown ones do not."""
        met = ~np.isnan(values)
        if self.lower is not None:
            met &= values > self.lower
        if self.upper is not None:
            met &= values <= self.upper
        return met

    @property
    def sql(self) -> str:
        """The same as a condition on `features.customer_features`."""
        bounds = ((">", self.lower), ("<=", self.upper))
        return " AND ".join(f"{self.feature} {sign} {bound:.12g}" for sign, bound in bounds if bound is not None)


Rule = tuple[Condition, ...]


def find_rules(sample: Sample, seed: int) -> list[Characteristic]:
    """The best rules of each segment.

    Args:
        sample: Customers with the features that rules may use; numbers, not booleans.
        seed: Of the trees.

    Returns:
        Findings by segment id, the best rule first.
    """
    known = [i for i in range(len(sample.features)) if (~np.isnan(sample.values[:, i])).mean() >= KNOWN_SHARE]
    usable = sample.select([sample.features[i] for i in known])
    ids = np.unique(sample.segment_ids).tolist()
    if not known or len(ids) < 2:
        return []
    with threadpool_limits(limits=1):
        return [finding for segment_id in ids for finding in _rules_of(usable, segment_id, seed)]


def _rules_of(sample: Sample, segment_id: int, seed: int) -> list[Characteristic]:
    from sklearn.tree import DecisionTreeClassifier  # scikit-learn is heavy, and only who writes explanations needs it

    members = sample.segment_ids == segment_id
    tree = DecisionTreeClassifier(
        max_depth=DEPTH,
        min_samples_leaf=max(LEAF_CUSTOMERS, int(LEAF_SHARE * len(members))),
        random_state=seed,
    ).fit(sample.values, members)
    rules = {_simplified(rule, sample, members) for rule in _leaves(tree, sample.features) if rule}
    ranked = sorted(rules, key=lambda rule: (-_f1(*_quality(_met(rule, sample), members)), str(rule)))
    chosen = ranked[:1] + [rule for rule in ranked[1:] if _is_worth_a_line(rule, ranked[0], sample, members)]
    return [_finding(segment_id, rule, sample, members) for rule in chosen[:RULES]]


def _leaves(tree: "DecisionTreeClassifier", features: tuple[str, ...]) -> list[Rule]:
    """The paths to the leaves, with rounded thresholds."""
    nodes = tree.tree_
    rules: list[Rule] = []

    def walk(node: int, path: dict[str, Condition]) -> None:
        if nodes.children_left[node] < 0:
            rules.append(tuple(path[name] for name in features if name in path))
            return
        name = features[nodes.feature[node]]
        threshold = rounded(name, float(nodes.threshold[node]))
        before = path.get(name, Condition(name))
        walk(nodes.children_left[node], {**path, name: replace(before, upper=threshold)})
        walk(nodes.children_right[node], {**path, name: replace(before, lower=threshold)})

    walk(0, {})
    return rules


def rounded(name: str, threshold: float) -> float:
    """A threshold as people would say it: whole orders, days and percents, else two significant digits."""
    if BY_NAME[name].type == "BIGINT":
        return float(floor(threshold))
    if threshold == 0:
        return 0.0
    if BY_NAME[name].unit in ("share", "ratio") and threshold >= 0.01:
        return round(threshold, 2)
    if BY_NAME[name].unit == "days" and threshold >= 2:
        return float(round(threshold, 0 if threshold < 100 else -1))
    return round(threshold, 1 - floor(log10(abs(threshold))))


def _simplified(rule: Rule, sample: Sample, members: Mask) -> Rule:
    """Without the conditions and bounds that add nothing to it."""
    least = _f1(*_quality(_met(rule, sample), members)) - BREVITY
    while True:
        shorter = {other: _f1(*_quality(_met(other, sample), members)) for other in _shorter(rule)}
        best = max(shorter, key=lambda other: (shorter[other], str(other)), default=rule)
        if shorter.get(best, -1.0) < least:
            return rule
        rule = best


def _shorter(rule: Rule) -> Iterator[Rule]:
    """The rules with one condition, or one of two bounds, less."""
    for place, part in enumerate(rule):
        before, after = rule[:place], rule[place + 1 :]
        if before or after:
            yield before + after
        if part.lower is not None and part.upper is not None:
            yield (*before, replace(part, lower=None), *after)
            yield (*before, replace(part, upper=None), *after)


def _met(rule: Rule, sample: Sample) -> Mask:
    met = np.ones(len(sample.values), dtype=bool)
    for part in rule:
        met &= part.holds(sample.values[:, sample.features.index(part.feature)])
    return met


def _quality(met: Mask, members: Mask) -> tuple[float, float]:
    """Precision and coverage (recall)."""
    hits = int((met & members).sum())
    return hits / max(int(met.sum()), 1), hits / max(int(members.sum()), 1)


def _f1(precision: float, coverage: float) -> float:
    return 2 * precision * coverage / (precision + coverage) if precision + coverage > 0 else 0.0


def _is_worth_a_line(rule: Rule, first: Rule, sample: Sample, members: Mask) -> bool:
    precision, added = _quality(_met(rule, sample) & ~_met(first, sample), members)
    return precision > 0.5 and added >= SECOND_RULE


def _finding(segment_id: int, rule: Rule, sample: Sample, members: Mask) -> Characteristic:
    precision, coverage = _quality(_met(rule, sample), members)
    who = listed([condition(part.feature, part.lower, part.upper) for part in rule])
    return Characteristic(
        segment_id,
        "rule",
        " AND ".join(part.sql for part in rule),
        precision,
        float(members.mean()),
        coverage,
        f"{percent(precision)} of the customers with {who} are in this segment; they are {percent(coverage)} of it",
    )
