import json
from datetime import date
from pathlib import Path

import polars as pl
import pytest

from benchmarks.features.changes import CHANGES, Change
from benchmarks.features.changing import change_lake
from benchmarks.features.comparison import compare
from benchmarks.features.contenders.registry import BY_NAME
from benchmarks.features.contenders.source import source_of
from benchmarks.features.data import END, Shop, copy_of, reason_not_to_make
from benchmarks.features.measuring import Usage
from benchmarks.features.page import BEGIN, write_figures
from benchmarks.features.page import END as FIGURES_END
from benchmarks.features.picture import draw
from benchmarks.features.plan import KINDS, LOOKBACK_DAYS, Case, default_contenders, months, plan
from benchmarks.features.results import rows, targets
from benchmarks.features.running import Outcome, not_run
from benchmarks.reporting import report, write_json
from segmentation.errors import SegmentationError


@pytest.fixture(scope="module")
def engines_answer(shop_home: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What the DuckDB engine says."""
    return _answer("duckdb", shop_home, tmp_path_factory.mktemp("answer"))


@pytest.mark.parametrize("contender", ["polars", "polars-buckets", "pandas"])
def test_features_written_another_way_are_the_same(
    contender: str, shop_home: Path, engines_answer: Path, tmp_path: Path
) -> None:
    assert compare(engines_answer, _answer(contender, shop_home, tmp_path)).problems == ()


def test_what_is_written_to_the_lake_is_what_was_computed(
    shop_home: Path, engines_answer: Path, tmp_path: Path
) -> None:
    assert (
        compare(engines_answer, _answer("duckdb-write", copy_of(shop_home, tmp_path / "lake"), tmp_path)).problems == ()
    )


def test_targets_tell_the_worst_of_all_sizes(tmp_path: Path) -> None:
    found = {target.name: (round(target.measured or 0, 6), target.met) for target in targets(_outcomes())}
    assert found == {
        "features against GROUP BY (dream: 20), CPU": (40, False),
        "features against Polars streaming, CPU": (0.25, True),
        "vectorised pandas against features, CPU": (2, False),
        "features, peak memory": (120, True),
        "100 M lines against 10 M, wall": (10.4, True),
        "100 M lines against 10 M, CPU": (10.4, True),
        "100 M lines against 10 M, peak memory": (1.2, True),
        "24 monthly snapshots against one, CPU": (9, False),
        "nothing changed, against from scratch, CPU": (0.05, True),
        "next day, against from scratch, CPU": (0, None),
        "5 % late customers, against from scratch, CPU": (0.5, False),
    }
    draw(_outcomes(), tmp_path / "picture.svg")
    assert "duckdb-write" in (tmp_path / "picture.svg").read_text("utf-8")
    assert [row["wall_s"] for row in rows(_outcomes())] == [o.usage.wall_s for o in _outcomes() if o.usage]


def test_a_page_gets_its_figures_between_two_comments(tmp_path: Path) -> None:
    page, kept = tmp_path / "page.md", tmp_path / "kept.json"
    page.write_text(f"# Before\n\n{BEGIN}\n\nold\n\n{FIGURES_END}\n\nAfter\n", "utf-8")
    write_json(kept, "two cores", rows(_outcomes()), targets(_outcomes()))
    write_figures(page, json.loads(kept.read_text("utf-8")))
    written = page.read_text("utf-8")
    assert written.startswith(f"# Before\n\n{BEGIN}\n\nOn two cores; one run.")
    assert written.endswith(f"{FIGURES_END}\n\nAfter\n")
    assert "| 100 M lines, 1,000 customers | duckdb | 104 | 104 | 120 | 10.4 |  |" in written
    assert "| 10 M lines, 5 % late customers | duckdb-refresh | 1 | 1 | 100 | 0.5 |  |" in written
    assert "| features, peak memory | ≤ 1024 MB | 120 | yes |" in written
    assert "old" not in written
    write_figures(page, json.loads(kept.read_text("utf-8")))
    assert page.read_text("utf-8") == written


def test_a_page_without_a_place_for_figures_is_left_alone(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text(BEGIN, "utf-8")
    with pytest.raises(SegmentationError, match="no place for figures"):
        write_figures(page, report("two cores", [], []))
    assert page.read_text("utf-8") == BEGIN


def test_the_page_about_scale_has_a_place_for_figures() -> None:
    page = (Path(__file__).parents[3] / "docs" / "scale.md").read_text("utf-8")
    assert page.index(BEGIN) < page.index(FIGURES_END)


@pytest.mark.parametrize("change", [change for change in CHANGES if change.arriving], ids=lambda change: change.name)
def test_what_happened_since_is_in_the_next_snapshot(change: Change, shop_home: Path, tmp_path: Path) -> None:
    home = copy_of(shop_home, tmp_path / "lake")
    assert change_lake(home, change.name, LOOKBACK_DAYS) > 0
    again = copy_of(home, tmp_path / "again")
    refreshed = _answer("duckdb-refresh", home, tmp_path, change.as_of, LOOKBACK_DAYS)
    from_scratch = _answer("duckdb-write", again, tmp_path, change.as_of, LOOKBACK_DAYS)
    assert compare(from_scratch, refreshed).problems == ()


def test_a_size_that_does_not_fit_on_the_disk_is_left_out_with_a_reason(tmp_path: Path) -> None:
    reason = reason_not_to_make(tmp_path, 10**12, 731)
    assert reason is not None
    assert reason.startswith("needs about 93132.3 GB of disk in ")
    assert reason_not_to_make(tmp_path, 1_000, 731) is None
    (case,) = plan([10**12], ["group-by"], ["lines"], quick=True)
    (outcome,) = not_run(case, Shop(tmp_path, 10**12, 0, 731), reason)
    assert (outcome.note, outcome.is_equal) == (f"not run: {reason}", True)


def test_cases_have_those_who_can_take_part() -> None:
    cases = plan([10_000_000, 100_000_000], default_contenders(), KINDS, quick=False)
    assert {case.kind for case in cases} == set(KINDS)
    assert [case.lines for case in cases if case.kind == "lines"] == [10_000_000, 100_000_000]
    assert [case.change for case in cases if case.kind == "refresh"] == ["", *(change.name for change in CHANGES)]
    assert {case.contenders for case in cases if case.kind == "snapshots"} == {("duckdb-write",)}
    assert all(name in default_contenders() for case in cases for name in case.contenders)


def _outcomes() -> list[Outcome]:
    seconds = {
        ("group-by", 10_000_000): 0.25,
        ("group-by", 100_000_000): 10.0,
        ("duckdb", 10_000_000): 10.0,
        ("duckdb", 100_000_000): 104.0,
        ("polars", 10_000_000): 40.0,
        ("pandas", 10_000_000): 20.0,
    }
    outcomes = [_outcome("lines", contender, lines, 1, wall) for (contender, lines), wall in seconds.items()]
    outcomes += [_outcome("snapshots", "duckdb-write", 10_000_000, count, wall) for count, wall in ((1, 2), (24, 18))]
    refreshed = {"": 2.0, CHANGES[0].name: 0.1, CHANGES[2].name: 1.0}
    return outcomes + [_outcome("refresh", "duckdb-refresh", 10_000_000, 1, s, name) for name, s in refreshed.items()]


def _outcome(kind: str, contender: str, lines: int, snapshots: int, seconds: float, change: str = "") -> Outcome:
    case = Case(kind, lines, 731, months(snapshots), None, (contender,), 1, change)
    usage = Usage(seconds, seconds, 120.0 if lines > 10_000_000 else 100.0)
    return Outcome(contender, case, Shop(Path("shop"), lines, 1000, 731), usage)


def _answer(contender: str, home: Path, folder: Path, as_of: date = END, lookback_days: int | None = None) -> Path:
    path = folder / f"{contender}.parquet"
    found = BY_NAME[contender].make(source_of(home, (as_of,), lookback_days))
    found.compute()
    found.save(path)
    return path


@pytest.mark.parametrize(
    ("column", "changed", "problem"),
    [
        ("product_entropy", pl.col("product_entropy") * (1 + 1e-6), "product_entropy: "),
        ("top_category", pl.lit("nothing"), "top_category: "),
        ("std_gap_days", pl.col("std_gap_days").fill_null(0), "std_gap_days: "),
        ("customer_id", pl.col("customer_id") + "x", "300 customers"),
    ],
)
def test_another_answer_is_noticed(
    column: str, changed: pl.Expr, problem: str, engines_answer: Path, tmp_path: Path
) -> None:
    other = tmp_path / "other.parquet"
    pl.read_parquet(engines_answer).with_columns(changed.alias(column)).write_parquet(other)
    (found,) = compare(engines_answer, other).problems
    assert found.startswith(problem)
