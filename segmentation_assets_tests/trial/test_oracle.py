"""The oracle itself: it takes what is right, and notices each way of being wrong."""

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import date, datetime
from typing import Any

import pytest

from segmentation_assets_tests.trial.lake_state import Content, LakeState
from segmentation_assets_tests.trial.oracle import Oracle, after_files, after_pushes, features_of
from segmentation_assets_tests.trial.orders import Line, history
from segmentation_assets_tests.trial.plan import make_plan

PLAN = make_plan(5, 11)
LATER_S = 1e12
AS_OF = date(2025, 4, 5)
ACCEPTED = next(line for line in PLAN.pushes[0].lines if not line.reason)


@pytest.fixture
def oracle() -> Oracle:
    """Knows of two files and two pushes that were acknowledged, of one push on its way, and of three messages."""
    found = Oracle(PLAN)
    for journal, done in ((found.files, 2), (found.pushes, 2)):
        for _ in range(done):
            journal.begin()
            journal.acknowledge()
    found.pushes.begin()
    found.sent = {"orders/0": dict(enumerate(PLAN.messages[0].lines[:3]))}
    found.may_decide |= {"first", "second"}
    found.decide("first")
    return found


@pytest.fixture
def state() -> LakeState:
    """A lake that is as it should be then, with the push on its way."""
    files, refused = after_files(PLAN.files[:2])
    pushed, refused_pushes = after_pushes(PLAN.pushes[:3])
    streamed = list(PLAN.messages[0].lines[:2])
    lines = {
        "history": {line.line_id: [line.content()] for line in history()},
        "till": {line_id: [row] for line_id, row in files.items()},
        "web": {line_id: [row] for line_id, row in pushed.items()},
        "app": {line.line_id: [line.content()] for line in streamed if not line.reason},
    }
    rejected = Counter({("till", reason): count for reason, count in refused.items()})
    rejected.update({("web", reason): count for reason, count in refused_pushes.items()})
    rejected.update(("app", line.reason) for line in streamed if line.reason)
    return LakeState(
        began_s=LATER_S,
        ended_s=LATER_S,
        version=77,
        lines=lines,
        rejected=rejected,
        positions={"orders/0": len(streamed)},
        deliveries=sorted({each.key for each in PLAN.pushes[:3]}),
        promotions=[(1, "champion", 1, "template"), (2, "champion", 2, "first")],
        models={1: "a", 2: "b"},
        states={AS_OF: {"current"}},
        features={AS_OF: _features(lines)},
    )


def _features(lines: Mapping[str, Mapping[str, list[Content]]]) -> dict[str, Content]:
    rows = [row for by_id in lines.values() for found in by_id.values() for row in found]
    computed = {
        str(customer): features_of([row for row in rows if row[2] == customer], datetime(2025, 4, 5))
        for customer in {row[2] for row in rows}
    }
    return {customer: measures for customer, measures in computed.items() if measures}


def test_what_is_right_is_taken(oracle: Oracle, state: LakeState) -> None:
    assert oracle.judge(state) == []


def _without(state: LakeState, source: str, line_id: str) -> LakeState:
    lines = {**state.lines, source: {key: rows for key, rows in state.lines[source].items() if key != line_id}}
    return replace(state, lines=lines)


def _with(state: LakeState, source: str, *rows: Content) -> LakeState:
    return replace(state, lines={**state.lines, source: {**state.lines[source], str(rows[0][0]): list(rows)}})


def _unknown() -> Content:
    return Line("nobody's", "o", "C01", "p1", "k1", 1, 2.0, datetime(2025, 4, 12)).content()


def _first(state: LakeState, source: str) -> Content:
    return next(iter(state.lines[source].values()))[0]


WRONG: dict[str, Callable[[LakeState], LakeState]] = {
    "a line of a file is lost": lambda s: _without(s, "till", str(_first(s, "till")[0])),
    "a line of history is lost": lambda s: _without(s, "history", "history-1"),
    "half of a push": lambda s: _without(s, "web", ACCEPTED.line_id),
    "a line twice": lambda s: _with(s, "web", _first(s, "web"), _first(s, "web")),
    "a line with another content": lambda s: _with(s, "web", (*_first(s, "web")[:5], 99.0, *_first(s, "web")[6:])),
    "a line from nowhere": lambda s: _with(s, "app", _unknown()),
    "a message beyond the position": lambda s: replace(s, positions={"orders/0": 1}),
    "a refused line twice": lambda s: replace(s, rejected=s.rejected + Counter({("till", "zero_quantity"): 1})),
    "an acknowledged push that isn't there": lambda s: replace(s, deliveries=[PLAN.pushes[0].key]),
    "a gap in the ledger": lambda s: replace(s, promotions=[*s.promotions[:1], (3, "champion", 2, "first")]),
    "an acknowledged decision that isn't there": lambda s: replace(s, promotions=s.promotions[:1]),
    "a decision twice": lambda s: replace(s, promotions=[*s.promotions, (3, "champion", 2, "first")]),
    "a champion that isn't there": lambda s: replace(s, models={1: "a"}),
    "a rollback to another version": lambda s: replace(
        s, promotions=[*s.promotions, (3, "champion", 2, "second; rolled back from 2")]
    ),
    "features of other lines": lambda s: replace(
        s, features={AS_OF: {**s.features[AS_OF], "C00": (1.0, 2, 3.0, 4.0, 5.0)}}
    ),
    "a customer without features": lambda s: replace(
        s, features={AS_OF: {name: row for name, row in s.features[AS_OF].items() if name != "C00"}}
    ),
    "a contradiction in the lake": lambda s: replace(s, findings=["ledger and table differ"]),
}


@pytest.mark.parametrize("what", WRONG)
def test_what_is_wrong_is_noticed(oracle: Oracle, state: LakeState, what: str) -> None:
    assert oracle.judge(WRONG[what](state)) != []


def test_what_was_not_yet_acknowledged_may_be_missing(oracle: Oracle, state: LakeState) -> None:
    lines, rejected = after_pushes(PLAN.pushes[:2])
    others = {key: count for key, count in state.rejected.items() if key[0] != "web"}
    before: Any = replace(
        state,
        lines={**state.lines, "web": {line_id: [row] for line_id, row in lines.items()}},
        rejected=Counter(others) + Counter({("web", reason): count for reason, count in rejected.items()}),
        deliveries=sorted({each.key for each in PLAN.pushes[:2]}),
        features={},
    )
    assert oracle.judge(before) == []


def test_at_the_end_nothing_may_be_under_way_or_stale(oracle: Oracle, state: LakeState) -> None:
    assert len(oracle.judge_end(replace(state, states={AS_OF: {"stale"}}))) == 2
