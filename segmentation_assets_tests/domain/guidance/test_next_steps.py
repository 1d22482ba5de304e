"""Which steps are named for which state: three of them, the most urgent first, each a command that exists."""

import shlex
from dataclasses import replace
from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st
from typer.core import TyperGroup

from scripts.generate_docs import command_tree
from segmentation.guidance.lake_state import Access, LakeState, Rejection
from segmentation.guidance.next_steps import LINES_SQL, PROFILES_SQL, REJECTED_SQL, STEPS, headline, next_steps
from segmentation_assets_tests.testing.command_line import parse

TREE = command_tree()
ALL = frozenset(TREE.commands)
DOMAIN = frozenset({"stream", "sources", "models", "explain", "score", "sql", "keys", "notify", "doctor", "maintain"})
"""The commands that need neither Dagster nor Litestar, and some of them only."""

NO_LAKE = LakeState("warehouse", Access.MISSING, problem="There is none.")
EMPTY = LakeState("warehouse", Access.READABLE)
LOADED = replace(
    EMPTY,
    line_count=1_234,
    first_line=date(2024, 1, 3),
    last_line=date(2024, 3, 31),
    due_as_of=date(2024, 4, 1),
)
SEGMENTED = replace(
    LOADED,
    feature_as_of=date(2024, 4, 1),
    segment_as_of=date(2024, 4, 1),
    customer_count=56,
    segment_count=1,
    customer_id="C-1",
    champion=1,
    candidate=1,
)

days = st.dates(date(2020, 1, 1), date(2030, 1, 1))
names = st.lists(st.from_regex(r"[A-Za-z0-9][A-Za-z0-9._-]{0,8}", fullmatch=True), max_size=2, unique=True).map(tuple)
versions = st.none() | st.integers(1, 9)
states = st.builds(
    LakeState,
    location=st.just("warehouse"),
    access=st.sampled_from(Access),
    sources_problem=st.sampled_from(["", "it is malformed"]),
    unread=names,
    unread_streams=names,
    unread_pushes=names,
    unloaded_files=st.integers(0, 2),
    line_count=st.integers(0, 2),
    rejections=st.sampled_from([(), (Rejection("till", 1, 2),)]),
    due_as_of=st.none() | days,
    stale=st.lists(days, max_size=2).map(tuple),
    segment_as_of=st.none() | days,
    customer_id=st.text(st.characters(exclude_categories=["Cc", "Cs"]), min_size=1, max_size=6),
    champion=versions,
    candidate=versions,
    waiting=versions,
)


def calls(state: LakeState) -> list[str]:
    return [step.call for step in next_steps(state, ALL)]


@given(states, st.sampled_from([ALL, DOMAIN]))
def test_there_are_always_three_steps_that_can_be_called(state: LakeState, commands: frozenset[str]) -> None:
    steps = next_steps(state, commands)
    assert len({step.call for step in steps}) == len(steps) == STEPS
    for step in steps:
        assert step.command in commands
        assert step.why
        assert parse(TREE, shlex.split(step.call))[1] == step.command


def test_a_customer_is_asked_about_by_their_id_whatever_is_in_it() -> None:
    for customer in ("a b", "it's", "$HOME", "-7"):
        words = shlex.split(calls(replace(SEGMENTED, customer_id=customer))[0])
        group = TREE.commands["explain"]
        assert not isinstance(group, TyperGroup)
        assert group.make_context("explain", words[1:]).params["customer_id"] == customer


@pytest.mark.parametrize(
    ("state", "expected"),
    [
        (NO_LAKE, ["demo", "ingest orders.csv --dry-run", "ingest orders.csv"]),
        (replace(NO_LAKE, unread=("till",)), ["ingest till", "ingest orders.csv --dry-run", "ingest orders.csv"]),
        (
            replace(NO_LAKE, unread=("shop", "till"), unread_streams=("app",), unread_pushes=("web",)),
            ["ingest", "stream app", "keys create web --scope ingest"],
        ),
        (
            replace(NO_LAKE, sources_problem="malformed"),
            ["sources list", "demo", "ingest orders.csv --dry-run"],
        ),
        (
            replace(EMPTY, access=Access.UNREADABLE),
            ["doctor", "restore /mnt/backups/lake --dry-run", "sources check"],
        ),
        (replace(EMPTY, access=Access.OUTDATED), ["backup /mnt/backups/lake", "maintain", "doctor"]),
        (EMPTY, ["ingest orders.csv --dry-run", "ingest orders.csv", "sources list"]),
        (
            replace(EMPTY, unloaded_files=2),
            ["materialize --select group:raw", "ingest orders.csv --dry-run", "ingest orders.csv"],
        ),
        (LOADED, ["materialize", LINES_SQL, "ui"]),
        (replace(LOADED, due_as_of=None), [LINES_SQL, "ui", "doctor"]),
        (replace(LOADED, rejections=(Rejection("till", 1, 4),)), [REJECTED_SQL, "materialize", LINES_SQL]),
        (replace(LOADED, candidate=2), ["models promote", "models show candidate", "materialize"]),
        (
            replace(LOADED, candidate=2, waiting=2),
            [
                "models show 2",
                "models promote 2 --reason 'looked at it'",
                "materialize --select group:segments",
            ],
        ),
        (
            replace(SEGMENTED, segment_as_of=None),
            ["materialize --select group:segments", "materialize", LINES_SQL],
        ),
        (replace(SEGMENTED, segment_as_of=None, feature_as_of=None), ["materialize", LINES_SQL, "ui"]),
        (SEGMENTED, ["explain C-1", "serve", "ui"]),
        (
            replace(SEGMENTED, stale=(date(2024, 2, 1), date(2024, 4, 1))),
            ["snapshots refresh", "explain C-1", "serve"],
        ),
        (
            replace(SEGMENTED, ahead=(date(2024, 9, 1),), stale=(date(2024, 4, 1),)),
            ["snapshots drop --ahead", "snapshots refresh", "explain C-1"],
        ),
        (
            replace(SEGMENTED, due_as_of=date(2024, 5, 1), feature_as_of=date(2024, 5, 1)),
            ["materialize --as-of 2024-05-01 --select group:segments", "explain C-1", "serve"],
        ),
        (
            replace(SEGMENTED, due_as_of=date(2024, 5, 1)),
            ["materialize --as-of 2024-05-01", "explain C-1", "serve"],
        ),
        (
            replace(SEGMENTED, candidate=2, waiting=2),
            ["models promote 2 --dry-run", "models promote 2 --reason 'looked at it'", "explain C-1"],
        ),
        (
            replace(SEGMENTED, rejections=(Rejection("till", 1, 4),), unread=("shop",)),
            [REJECTED_SQL, "ingest shop", "explain C-1"],
        ),
    ],
)
def test_the_steps_fit_the_state(state: LakeState, expected: list[str]) -> None:
    assert calls(state) == expected


def test_only_what_is_installed_is_named() -> None:
    assert [step.call for step in next_steps(NO_LAKE, DOMAIN)] == ["sources list", "doctor", "sources check"]
    assert [step.call for step in next_steps(SEGMENTED, DOMAIN)] == ["explain C-1", PROFILES_SQL, "doctor"]


def test_reasons_have_the_figures_of_the_lake() -> None:
    state = replace(LOADED, rejections=(Rejection("till", 1, 4),), unloaded_files=1)
    assert [step.why for step in next_steps(state, ALL)] == [
        "loads the days of 1 registered file",
        "25% of what till brought last was rejected; this says why",
        "makes features, a model and segments as of 2024-04-01",
    ]


@pytest.mark.parametrize(
    ("state", "said"),
    [
        (NO_LAKE, "There is no lake in warehouse yet."),
        (EMPTY, "The lake in warehouse holds no lines yet."),
        (
            LOADED,
            "The lake in warehouse holds 1,234 lines from 2024-01-03 to 2024-03-31; nobody has a segment yet.",
        ),
        (
            SEGMENTED,
            "The lake in warehouse holds 1,234 lines from 2024-01-03 to 2024-03-31; 56 customers in 1 segment as of "
            "2024-04-01.",
        ),
        (
            LakeState("warehouse", Access.UNREADABLE, "It is gone."),
            "The lake in warehouse can't be read: It is gone.",
        ),
        (
            LakeState("warehouse", Access.OUTDATED, "no table x"),
            "The lake in warehouse lacks tables of this release (no table x).",
        ),
    ],
)
def test_the_state_is_said_in_one_line(state: LakeState, said: str) -> None:
    assert headline(state) == said
