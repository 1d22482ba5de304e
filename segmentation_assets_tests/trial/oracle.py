"""What the lake must hold, computed in plain Python from what actors did; nothing of the platform is asked.

Each source's deliveries come one after the other. What was acknowledged before somebody began to read must be there;
what begun after they had finished must not; in between each delivery is there as a whole or not at all.
"""

import time
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta

from segmentation_assets_tests.trial.lake_state import Content, LakeState
from segmentation_assets_tests.trial.orders import Line, history
from segmentation_assets_tests.trial.plan import Delivery, FileStep, Plan

LOOKBACK = timedelta(days=365)
Lines = dict[str, Content]
Rejected = Counter[str]


@dataclass
class Journal:
    """What was begun and what was acknowledged, in order, with the time of each."""

    begun_s: list[float] = field(default_factory=list)
    done_s: list[float] = field(default_factory=list)

    def begin(self) -> None:
        """The next one begins; the same one again counts once."""
        if len(self.begun_s) == len(self.done_s):
            self.begun_s.append(time.monotonic())

    def acknowledge(self) -> None:
        """The one that begun has been acknowledged."""
        self.done_s.append(time.monotonic())

    def possible(self, began_s: float, ended_s: float) -> range:
        """How many of them somebody who read meanwhile may have seen."""
        return range(sum(at <= began_s for at in self.done_s), sum(at <= ended_s for at in self.begun_s) + 1)


@dataclass
class Oracle:
    """Knows a plan, and how far it has come.

    Attributes:
        plan: What is done.
        files: How far the files are.
        pushes: How far the pushes are.
        sent: By channel, the line of each offset.
        may_decide: Reasons of promotions and rollbacks that were tried.
        decided_s: Of those, the ones that were acknowledged, and when.
    """

    plan: Plan
    files: Journal = field(default_factory=Journal)
    pushes: Journal = field(default_factory=Journal)
    sent: dict[str, dict[int, Line]] = field(default_factory=dict)
    may_decide: set[str] = field(default_factory=set)
    decided_s: dict[str, float] = field(default_factory=dict)

    def judge(self, state: LakeState) -> list[str]:
        """What is wrong with a state of the lake that somebody read at any time; nothing if all is well."""
        wrong = list(state.findings)
        wrong += _same("history", state, [(_of_lines(history()), Counter())])
        seen = self.files.possible(state.began_s, state.ended_s)
        wrong += _same("till", state, [after_files(self.plan.files[:count]) for count in seen])
        wrong += self._judge_pushes(state)
        wrong += _same("app", state, [self._streamed(state.positions)])
        wrong += self._judge_promotions(state)
        for as_of, found in state.features.items():
            wrong += _judge_features(as_of, found, state)
        return wrong

    def judge_end(self, state: LakeState) -> list[str]:
        """What is wrong once all has been done: nothing may be under way, and nothing stale."""
        wrong = self.judge(state)
        ends = {channel: max(lines) + 1 for channel, lines in self.sent.items()}
        if ends != state.positions:
            wrong.append(f"the stream is at {state.positions}, and its end is {ends}")
        stale = {as_of: states for as_of, states in state.states.items() if states != {"current"}}
        if stale:
            wrong.append(f"not current at the end: {stale}")
        return wrong

    def acknowledged(self) -> int:
        """How many lines the lake must hold, of what was acknowledged."""
        files, _ = after_files(self.plan.files[: len(self.files.done_s)])
        pushes, _ = after_pushes(self.plan.pushes[: len(self.pushes.done_s)])
        ends = {channel: max(lines) + 1 for channel, lines in self.sent.items()}
        return len(_of_lines(history())) + len(files) + len(pushes) + len(self._streamed(ends)[0])

    def delivered_faults(self) -> list[str]:
        """The faults in what was delivered until now."""
        plan, sent = self.plan, {line.line_id for lines in self.sent.values() for line in lines.values()}
        done: list[FileStep | Delivery] = [
            *plan.files[: len(self.files.done_s)],
            *plan.pushes[: len(self.pushes.done_s)],
        ]
        done += [each for each in plan.messages if sent.issuperset(line.line_id for line in each.lines)]
        return [each.fault for each in done if each.fault]

    def decide(self, reason: str) -> None:
        """A promotion or rollback was acknowledged."""
        self.decided_s[reason] = time.monotonic()

    def _judge_pushes(self, state: LakeState) -> list[str]:
        seen = self.pushes.possible(state.began_s, state.ended_s)
        known = set(state.deliveries)
        counts = [n for n in seen if {each.key for each in self.plan.pushes[:n]} == known]
        if not counts:
            return [f"deliveries {sorted(known)} are in the lake, though {seen} of the plan's pushes may be"]
        return _same("web", state, [after_pushes(self.plan.pushes[: counts[0]])])

    def _streamed(self, positions: dict[str, int]) -> tuple[Lines, Counter[str]]:
        lines: Lines = {}
        rejected: Rejected = Counter()
        for channel, position in positions.items():
            for offset in sorted(self.sent.get(channel, {})):
                if offset < position:
                    _apply([self.sent[channel][offset]], lines, rejected)
        return lines, rejected

    def _judge_promotions(self, state: LakeState) -> list[str]:
        numbers = [number for number, *_ in state.promotions]
        wrong = [] if numbers == list(range(1, len(numbers) + 1)) else [f"the ledger's numbers are {numbers}"]
        unknown = {version for _, _, version, _ in state.promotions} - state.models.keys()
        wrong += [f"promoted versions that aren't there: {unknown}"] if unknown else []
        told = Counter(reason.partition(";")[0] for _, alias, _, reason in state.promotions if alias == "champion")
        wrong += [
            f"decision {each!r} is in the ledger {told[each]} times" for each in self.may_decide if told[each] > 1
        ]
        missing = [each for each, at in self.decided_s.items() if at < state.began_s and not told[each]]
        wrong += [f"acknowledged decisions are not in the ledger: {missing}"] if missing else []
        return wrong + _judge_rollbacks(state)


def after_files(steps: Sequence[FileStep]) -> tuple[Lines, Counter[str]]:
    """Accepted lines and refused ones by reason after files were ingested."""
    files = {step.name: step.lines for step in steps if step.fault not in ("corrupt_file", "duplicate_file")}
    lines: Lines = {}
    rejected: Rejected = Counter()
    for of_file in files.values():
        _apply(of_file, lines, rejected)
    return lines, rejected


def after_pushes(deliveries: Iterable[Delivery]) -> tuple[Lines, Counter[str]]:
    """The same after deliveries with keys, of which each counts once."""
    lines: Lines = {}
    rejected: Rejected = Counter()
    for delivery in {each.key: each for each in deliveries}.values():
        _apply(delivery.lines, lines, rejected)
    return lines, rejected


def features_of(rows: Sequence[Content], as_of: datetime) -> Content | None:
    """Recency, orders, gross and net revenue and units of a customer's lines before a date; None without a purchase."""
    seen = [row for row in rows if as_of - LOOKBACK <= _at(row) < as_of]
    bought = [row for row in seen if _number(row, 5) > 0]
    if not bought:
        return None
    first: dict[object, datetime] = {}
    for row in bought:
        first[row[1]] = min(first.get(row[1], _at(row)), _at(row))
    gross = sum(_number(row, 7) for row in bought)
    net = sum(_number(row, 7) for row in seen)
    recency = (as_of - max(first.values())).total_seconds() / 86_400
    return recency, len(first), gross, net, sum(_number(row, 5) for row in bought)


def is_close(one: Content, other: Content) -> bool:
    """Whether measures are the same but for rounding."""
    return all(abs(float(str(a)) - float(str(b))) < 1e-6 for a, b in zip(one, other, strict=True))


def _judge_features(as_of: date, found: dict[str, Content], state: LakeState) -> list[str]:
    """Whether a snapshot that is called current is what comes out of the lines of the same version of the lake."""
    by_customer: dict[str, list[Content]] = {}
    for rows in (rows for by_id in state.lines.values() for rows in by_id.values()):
        for row in rows:
            by_customer.setdefault(str(row[2]), []).append(row)
    moment = datetime(as_of.year, as_of.month, as_of.day)
    computed = {customer: features_of(rows, moment) for customer, rows in by_customer.items()}
    expected = {customer: measures for customer, measures in computed.items() if measures is not None}
    if expected.keys() != found.keys():
        return [f"features as of {as_of}, called current, have other customers: {expected.keys() ^ found.keys()}"]
    wrong = [customer for customer in expected if not is_close(expected[customer], found[customer])]
    return [
        f"features as of {as_of}, called current, of {each}: {found[each]}, not {expected[each]}" for each in wrong[:3]
    ]


def _judge_rollbacks(state: LakeState) -> list[str]:
    """Whether each rollback leads to the version that was champion before the one that served."""
    wrong, served = [], list[int]()
    for number, alias, version, reason in state.promotions:
        if alias != "champion":
            continue
        others = [each for each in served if each != served[-1]]
        if "rolled back from" in reason and (not others or version != others[-1]):
            wrong.append(f"line {number} rolls back to {version}; the champions were {served}")
        served.append(version)
    return wrong


def _same(source: str, state: LakeState, possible: Sequence[tuple[Lines, Counter[str]]]) -> list[str]:
    """Whether a source's lines and rejects are one of what they may be."""
    rows = state.lines.get(source, {})
    doubled = [line_id for line_id, found in rows.items() if len(found) > 1]
    if doubled:
        return [f"{source}: {len(doubled)} lines are doubled, such as {doubled[0]}"]
    lines = {line_id: found[0] for line_id, found in rows.items()}
    rejected = Counter({reason: count for (of, reason), count in state.rejected.items() if of == source})
    if (lines, rejected) in possible:
        return []
    return [
        f"{source}, version {state.version}: {_difference(lines, rejected, possible[-1])}, or any of {len(possible)}"
    ]


def _difference(lines: Lines, rejected: Counter[str], expected: tuple[Lines, Counter[str]]) -> str:
    there, refused = expected
    lost, new = sorted(there.keys() - lines.keys()), sorted(lines.keys() - there.keys())
    other = [line_id for line_id in there.keys() & lines.keys() if there[line_id] != lines[line_id]]
    return (
        f"lost {lost[:5]}, unknown {new[:5]}, other {other[:5]}, rejected {dict(rejected)} instead of {dict(refused)}"
    )


def _of_lines(lines: Iterable[Line]) -> Lines:
    return {line.line_id: line.content() for line in lines}


def _apply(delivered: Iterable[Line], lines: Lines, rejected: Counter[str]) -> None:
    for line in delivered:
        if line.reason is None:
            lines[line.line_id] = line.content()
        else:
            rejected[line.reason] += 1


def _at(row: Content) -> datetime:
    assert isinstance(row[8], datetime)
    return row[8]


def _number(row: Content, column: int) -> float:
    return float(str(row[column]))
