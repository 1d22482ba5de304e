"""Whatever happens to lines, and whichever way snapshots are made anew, they come out as if made from scratch.

Or the ledger says which are stale, the messages name their dates and the one command, and that mends them.
"""

import shutil
from collections.abc import Callable
from datetime import date, datetime, timedelta
from functools import cache, partial
from pathlib import Path

import dagster as dg
import polars as pl
import pytest

from segmentation.clock import utc_now
from segmentation.metadata.tables.features import CUSTOMER_FEATURES
from segmentation.metadata.tables.raw import TRANSACTIONS
from segmentation.settings import Settings, load_settings
from segmentation.snapshots.states import Standing, dates_in_state, read_standings
from segmentation.synthetic import write
from segmentation.warehouse import Lake
from segmentation_assets.cli import steps
from segmentation_assets.cli.snapshot_runs import refresh
from segmentation_assets.partitions import range_tags
from segmentation_assets_tests.assets.conftest import EVERYTHING_AFTER_RAW, Graph
from segmentation_assets_tests.testing.from_scratch import Snapshots, contents, differing, made_from_scratch
from segmentation_assets_tests.testing.sensor_runs import follow_due_snapshots

pytestmark = pytest.mark.takes(90)

SMALL = {
    "SEGMENTATION_CUSTOMER_BUCKETS": "1",
    "SEGMENTATION_MAX_SEGMENTS": "4",
    "SEGMENTATION_SEARCH_TRIALS": "2",
    "SEGMENTATION_MIN_STABILITY": "0.5",
    "SEGMENTATION_THREADS": "1",
    "SEGMENTATION_REFRESH_DAYS": "15",
}
HISTORY, FIRST, LAST = date(2024, 10, 1), date(2024, 12, 1), date(2025, 1, 1)
"""A date that only training made, and those with segments. September's lines count at all of them."""

SNAPSHOTS = tuple(key for key in EVERYTHING_AFTER_RAW if not key.startswith("training"))
TIME_FORMAT = "%Y-%m-%d %H:%M:%S"

Lines = pl.DataFrame


def _corrected(september: Lines) -> Lines:
    is_first = pl.int_range(pl.len()) == 5
    return september.with_columns(quantity=pl.when(is_first).then(pl.col("quantity") + 7).otherwise("quantity"))


def _added(customer_id: str) -> Callable[[Lines], Lines]:
    def add(september: Lines) -> Lines:
        coming = september.head(1).with_columns(
            line_id=pl.lit("late-1"), order_id=pl.lit("late"), customer_id=pl.lit(customer_id)
        )
        return pl.concat([september, coming])

    return add


CHANGES: dict[str, Callable[[Lines], Lines]] = {
    "a late line": lambda september: _added(september["customer_id"][9])(september),
    "a corrected line": _corrected,
    "a removed line": lambda september: september[1:],
    "a new customer": _added("NEWCOMER"),
    "a customer gone": lambda september: september.filter(pl.col("customer_id") != "ONCE"),
}


def _silent(_what: str, _done: int, _total: int) -> None:
    """A listener that doesn't."""


def _by_materialize(_settings: Settings) -> None:
    steps.materialize(None, None, None, _silent)


def _by_materialize_since(_settings: Settings) -> None:
    steps.materialize(None, None, str(FIRST), _silent)


def _by_refresh(settings: Settings) -> None:
    refresh(settings)


def _in_the_ui(**selection: object) -> Callable[[Settings], None]:
    def run(settings: Settings) -> None:
        with dg.DagsterInstance.ephemeral() as instance:
            assert Graph(instance, {"home": str(settings.home)}).run(*SNAPSHOTS, **selection).success  # type: ignore[arg-type]

    return run


def _by_automation(settings: Settings) -> None:
    later = utc_now() + timedelta(hours=2)
    with dg.DagsterInstance.ephemeral() as instance:
        asked, why = follow_due_snapshots(settings, instance, lambda: later)
    assert asked == [(str(LAST), str(LAST))]
    assert why == "1 older dates are stale; `segmentation snapshots refresh` makes them anew"


WAYS: dict[str, tuple[Callable[[Settings], None], set[date]]] = {
    "materialize": (_by_materialize, {FIRST}),
    "materialize --since": (_by_materialize_since, set()),
    "snapshots refresh": (_by_refresh, set()),
    "one partition in the UI": (_in_the_ui(partition=str(FIRST)), {HISTORY, LAST}),
    "a range in the UI": (_in_the_ui(tags=range_tags(str(FIRST), str(LAST))), {HISTORY}),
    "automation": (_by_automation, {HISTORY, FIRST}),
}
"""How snapshots are made anew, and which dates that leaves stale."""

LIKE_OTHERS = {"a corrected line": "snapshots refresh", "a removed line": "automation"}
"""To snapshots they are as a late line; so each is tried by one way, which saves minutes."""

CASES = [(change, way) for change in CHANGES for way in WAYS if way == LIKE_OTHERS.get(change, way)]


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in SMALL.items():
        monkeypatch.setenv(name, value)


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with files and a lake of three snapshots."""
    folder = tmp_path_factory.mktemp("matrix")
    made = write(folder / "made", customers=160, start=date(2024, 1, 1), end=LAST, seed=3)
    lines = pl.read_parquet(list(made.transactions))
    once = lines.head(1).with_columns(
        line_id=pl.lit("once-1"),
        order_id=pl.lit("once"),
        customer_id=pl.lit("ONCE"),
        ordered_at=pl.lit(datetime(2024, 9, 11)),
    )
    lines = pl.concat([lines, once]).sort("ordered_at", "line_id")
    is_september = pl.col("ordered_at").dt.month() == 9
    (folder / "files").mkdir()
    lines.filter(~is_september).write_csv(folder / "files" / "rest.csv", datetime_format=TIME_FORMAT)
    lines.filter(is_september).write_csv(folder / "files" / "september.csv", datetime_format=TIME_FORMAT)
    with pytest.MonkeyPatch.context() as patch:
        for name, value in {**SMALL, "SEGMENTATION_HOME": str(folder / "warehouse")}.items():
            patch.setenv(name, value)
        steps.ingest(str(folder / "files"), "canonical", "shop", _silent)
        steps.materialize(None, None, str(FIRST), _silent)
    (folder / "warehouse").rename(folder / "before")
    return folder


@pytest.fixture(scope="module")
def changed(base: Path) -> Callable[[str], Path]:
    """Gives the lake after a change of September's lines, which its users have ingested; made once per change."""
    return cache(partial(_changed, base))


def _changed(base: Path, change: str) -> Path:
    path, home = base / "files" / "september.csv", base / "warehouse"
    kept = path.read_bytes()
    shutil.copytree(base / "before", home)
    lines = CHANGES[change](pl.read_csv(path))
    lines.write_csv(path)
    with pytest.MonkeyPatch.context() as patch:
        for name, value in {**SMALL, "SEGMENTATION_HOME": str(home)}.items():
            patch.setenv(name, value)
        steps.ingest(str(path), "canonical", "shop", _silent)
    path.write_bytes(kept)
    with Lake(Settings(home=home), read_only=True) as lake, lake.cursor() as con:
        september = con.execute(f"FROM {TRANSACTIONS.name} WHERE month(ordered_at) = 9").pl()
    columns = ["line_id", "customer_id", "quantity"]
    assert (
        september.select(columns)
        .sort("line_id")
        .equals(lines.select("line_id", "customer_id", pl.col("quantity").cast(pl.Float64)).sort("line_id"))
    )
    return home.rename(base / change.replace(" ", "-"))


@pytest.fixture(scope="module")
def known() -> dict[str, Snapshots]:
    """What was made from scratch, by change and models."""
    return {}


@pytest.mark.parametrize(("change", "way"), CASES)
def test_snapshots_are_as_if_made_from_scratch_or_said_to_be_stale(
    changed: Callable[[str], Path],
    change: str,
    way: str,
    known: dict[str, Snapshots],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    home = tmp_path / "warehouse"
    shutil.copytree(changed(change), home)
    monkeypatch.setenv("SEGMENTATION_HOME", str(home))
    settings = load_settings()
    make, stale = WAYS[way]
    make(settings)

    standings = _standings(settings)
    assert set(dates_in_state(standings, "stale")) == stale
    models = sorted((s.entry.as_of, s.entry.table_name, s.entry.model_version or 0) for s in standings)
    key = f"{change} {models}"
    if key not in known:
        known[key] = made_from_scratch(settings, tmp_path / "scratch")
    reliable = {f"{s.entry.table_name} as of {s.entry.as_of}" for s in standings if _is_reliable(s, standings)}
    assert reliable & set(differing(contents(settings), known[key])) == set()
    if stale:
        said = _said_of_snapshots(settings)
        assert all(str(as_of) in said for as_of in stale)
        assert "`segmentation snapshots refresh`" in said
        assert stale <= set(refresh(settings))
    assert dates_in_state(_standings(settings), "stale") == []
    assert differing(contents(settings), known[key]) == []


def _standings(settings: Settings) -> list[Standing]:
    with Lake(settings, read_only=True) as lake, lake.cursor() as con:
        return read_standings(con, settings, utc_now())


def _is_reliable(standing: Standing, standings: list[Standing]) -> bool:
    """Whether a snapshot is called current, and so is all that it was made of.

    Segments are compared with those of the date before, which may be stale; then both will be made anew in turn.
    """
    if standing.state != "current":
        return False
    if standing.entry.table_name == CUSTOMER_FEATURES.name:
        return True
    return all(other.state == "current" for other in standings if other.entry.as_of <= standing.entry.as_of)


def _said_of_snapshots(settings: Settings) -> str:
    with dg.DagsterInstance.ephemeral() as instance:
        graph = Graph(instance, {"home": str(settings.home)})
        result = graph.run(CUSTOMER_FEATURES.name.replace(".", "/"), checks_only=True)
    (check,) = [each for each in result.get_asset_check_evaluations() if each.check_name == "snapshots_are_current"]
    assert not check.passed
    return check.description or ""
