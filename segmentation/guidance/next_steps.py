"""Which steps fit the state of a lake: pure functions. What they say is what people are shown."""

import shlex
from collections.abc import Iterator, Set
from dataclasses import dataclass
from itertools import islice

from segmentation.guidance.lake_state import Access, LakeState

STEPS = 3

REJECTED_SQL = (
    'sql "SELECT source, reason, COUNT(*) AS lines, any_value(original) AS example '
    'FROM raw.rejected_transactions GROUP BY ALL ORDER BY lines DESC"'
)
LINES_SQL = (
    'sql "SELECT source, COUNT(*) AS lines, MIN(ordered_at), MAX(ordered_at) FROM raw.transactions GROUP BY source"'
)
PROFILES_SQL = (
    'sql "SELECT segment_name, customer_count, revenue_share FROM segments.segment_profiles '
    'QUALIFY as_of = max(as_of) OVER ()"'
)


@dataclass(frozen=True)
class Step:
    """One thing to do.

    Attributes:
        call: What to write after `segmentation`, fit for a shell.
        why: What it is good for, in a few words.
    """

    call: str
    why: str

    @property
    def command(self) -> str:
        """The command that is called."""
        return self.call.partition(" ")[0]


def next_steps(state: LakeState, commands: Set[str]) -> list[Step]:
    """The three steps that fit a state, the most urgent first.

    Args:
        state: What is known of the lake.
        commands: The commands that are installed; others are not named.
    """
    fitting: dict[str, Step] = {}
    for step in (*_fitting(state), *_always()):
        if step.command in commands:
            fitting.setdefault(step.call, step)
    return list(islice(fitting.values(), STEPS))


def headline(state: LakeState) -> str:
    """The state in one line."""
    match state.access:
        case Access.MISSING:
            return f"There is no lake in {state.location} yet."
        case Access.UNREADABLE:
            return f"The lake in {state.location} can't be read: {state.problem}"
        case Access.OUTDATED:
            return f"The lake in {state.location} lacks tables of this release ({state.problem})."
        case Access.READABLE:
            return f"The lake in {state.location} holds {_contents(state)}."


def _contents(state: LakeState) -> str:
    if not state.line_count:
        return "no lines yet"
    lines = f"{_counted(state.line_count, 'line')} from {state.first_line} to {state.last_line}"
    if state.segment_as_of is None:
        return f"{lines}; nobody has a segment yet"
    segments = _counted(state.segment_count, "segment")
    customers = _counted(state.customer_count, "customer")
    return f"{lines}; {customers} in {segments} as of {state.segment_as_of}"


def _fitting(state: LakeState) -> Iterator[Step]:
    if state.sources_problem:
        yield Step("sources list", "sources.yaml can't be read; this says where it is wrong")
    match state.access:
        case Access.MISSING:
            yield from _without_lake(state)
        case Access.UNREADABLE:
            yield from _unreadable()
        case Access.OUTDATED:
            yield from _outdated()
        case Access.READABLE:
            yield from _with_lake(state)


def _without_lake(state: LakeState) -> Iterator[Step]:
    yield from _unread(state)
    if not (state.unread or state.unread_streams or state.unread_pushes):
        yield Step("demo", "shows the whole job on a made-up shop, in a minute or so")
    yield from _first_data()


def _unreadable() -> Iterator[Step]:
    yield Step("doctor", "checks installation, settings and lake, and says what to do")
    yield Step("restore /mnt/backups/lake --dry-run", "should the lake be lost: whether its newest backup is whole")
    yield Step("sources check", "whether the declared sources can be reached meanwhile")


def _outdated() -> Iterator[Step]:
    yield Step("backup /mnt/backups/lake", "keeps the lake as it is, to be able to go back")
    yield Step("maintain", "brings its tables up to this release")
    yield Step("doctor", "checks whether all is well then")


def _with_lake(state: LakeState) -> Iterator[Step]:
    if state.unloaded_files:
        files = _counted(state.unloaded_files, "registered file")
        yield Step("materialize --select group:raw", f"loads the days of {files}")
    if not state.line_count:
        yield from _unread(state)
        yield from _first_data()
        return
    if state.segment_as_of is None:
        yield from _unsegmented(state)
    else:
        yield from _segmented(state)


def _unsegmented(state: LakeState) -> Iterator[Step]:
    yield from _rejections(state)
    if state.waiting is not None:
        yield from _waiting(state)
        yield Step("materialize --select group:segments", "gives customers their segments, once it is champion")
    elif state.champion is None and state.candidate is not None:
        yield Step("models promote", f"asks the gates of model {state.candidate} again, and says which one refuses it")
        yield Step("models show candidate", "its segments, features and figures")
    elif state.champion is not None and state.feature_as_of is not None and state.feature_as_of == state.due_as_of:
        yield Step("materialize --select group:segments", f"gives customers their segments, by model {state.champion}")
    if state.due_as_of is not None and state.waiting is None:
        yield Step("materialize", f"makes features, a model and segments as of {state.due_as_of}")
    yield from _unread(state)
    yield Step(LINES_SQL, "what has come in, by source")
    yield Step("ui", "the same in Dagster's pages, with schedules and checks")


def _segmented(state: LakeState) -> Iterator[Step]:
    yield from _stale(state)
    yield from _due(state)
    yield from _waiting(state)
    yield from _rejections(state)
    yield from _unread(state)
    dashes = "-- " if state.customer_id.startswith("-") else ""
    yield Step(
        f"explain {dashes}{shlex.quote(state.customer_id)}",
        "why a customer is in their segment, and what would move them",
    )
    yield Step("serve", "scores over REST, for shop and marketing")
    yield Step("ui", "assets, runs, checks and schedules in Dagster's pages")
    yield Step(PROFILES_SQL, "the segments and their sizes")


def _stale(state: LakeState) -> Iterator[Step]:
    """How snapshots are brought up to date, or removed."""
    if state.ahead:
        dates = _counted(len(state.ahead), "date")
        yield Step("snapshots drop --ahead", f"removes snapshots as of {dates} that the data doesn't reach")
    if state.stale:
        snapshots = _counted(len(state.stale), "date")
        yield Step("snapshots refresh", f"lines, code or model have changed since {snapshots} were computed")


def _due(state: LakeState) -> Iterator[Step]:
    """How segments come up to the newest date that the lines cover; where gates refused a model, by the champion."""
    if state.due_as_of is None or state.segment_as_of is None or state.due_as_of <= state.segment_as_of:
        return
    call = f"materialize --as-of {state.due_as_of}"
    if state.feature_as_of is not None and state.feature_as_of >= state.due_as_of:
        yield Step(f"{call} --select group:segments", "features are there, segments not; this makes them")
    else:
        yield Step(call, f"the lines reach beyond {state.segment_as_of} by now")


def _waiting(state: LakeState) -> Iterator[Step]:
    if state.waiting is None:
        return
    passed = f"model {state.waiting} passed its gates and waits for a person"
    if state.champion is None:
        yield Step(f"models show {state.waiting}", f"{passed}; this shows its segments")
    else:
        yield Step(f"models promote {state.waiting} --dry-run", f"{passed}; this shows who would change segment")
    yield Step(f"models promote {state.waiting} --reason 'looked at it'", "lets it serve")


def _rejections(state: LakeState) -> Iterator[Step]:
    if state.rejections:
        worst = state.rejections[0]
        share = f"{worst.rejected / worst.read:.0%} of what {worst.source} brought last was rejected"
        yield Step(REJECTED_SQL, f"{share}; this says why")


def _unread(state: LakeState) -> Iterator[Step]:
    if len(state.unread) == 1:
        yield Step(f"ingest {state.unread[0]}", "reads the declared source that hasn't brought anything yet")
    elif state.unread:
        yield Step("ingest", f"reads the declared sources; nothing has come yet of {', '.join(state.unread)}")
    for name in state.unread_streams:
        yield Step(f"stream {name}", "reads the declared topic, until stopped")
    for name in state.unread_pushes:
        yield Step(f"keys create {name} --scope ingest", f"a key for who pushes to {name}, through `serve`")


def _first_data() -> Iterator[Step]:
    yield Step("ingest orders.csv --dry-run", "shows what a file of yours would bring, and writes nothing")
    yield Step("ingest orders.csv", "brings it in; --profile says how to read it if its columns have other names")
    yield Step("sources list", "says how to declare files, databases and topics")


def _always() -> Iterator[Step]:
    """Steps that are never wrong, and need neither an extra nor a lake."""
    yield Step("doctor", "checks installation, settings and lake")
    yield Step("sources list", "where transactions come from, and how to declare more")
    yield Step("sources check", "whether the declared sources can be reached")


def _counted(count: int, noun: str) -> str:
    return f"{count:,} {noun}{'' if count == 1 else 's'}"
