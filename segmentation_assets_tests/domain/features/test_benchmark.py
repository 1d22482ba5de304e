from pathlib import Path

import polars as pl
import pytest

from benchmarks.features.comparison import compare
from benchmarks.features.contenders.registry import BY_NAME
from benchmarks.features.contenders.source import source_of
from benchmarks.features.data import END, Shop
from benchmarks.features.measuring import Usage
from benchmarks.features.picture import draw
from benchmarks.features.plan import Case, months
from benchmarks.features.results import rows, targets
from benchmarks.features.running import Outcome


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
    assert compare(engines_answer, _answer("duckdb-write", shop_home, tmp_path)).problems == ()


def test_targets_compare_the_largest_size_that_both_ran_on(tmp_path: Path) -> None:
    seconds = {
        ("group-by", 10_000_000): 1.0,
        ("group-by", 100_000_000): 10.0,
        ("duckdb", 10_000_000): 10.0,
        ("duckdb", 100_000_000): 104.0,
        ("polars", 10_000_000): 40.0,
        ("pandas", 10_000_000): 20.0,
    }
    outcomes = [_outcome("lines", contender, lines, 1, wall) for (contender, lines), wall in seconds.items()]
    outcomes += [_outcome("snapshots", "duckdb-write", 10_000_000, count, wall) for count, wall in ((1, 2), (24, 18))]
    found = {target.name: (target.measured, target.met) for target in targets(outcomes)}
    assert found == {
        "features against GROUP BY, wall": (10.4, True),
        "features, peak memory": (100.0, True),
        "features against Polars streaming, CPU": (0.25, True),
        "pandas against features, CPU": (2.0, False),
        "100 M lines against 10 M, wall": (10.4, True),
        "100 M lines against 10 M, peak memory": (1.0, True),
        "24 monthly snapshots against one, wall": (9.0, False),
    }
    draw(outcomes, tmp_path / "picture.svg")
    assert "duckdb-write" in (tmp_path / "picture.svg").read_text("utf-8")
    assert [row["wall_s"] for row in rows(outcomes)] == [*seconds.values(), 2, 18]


def _outcome(kind: str, contender: str, lines: int, snapshots: int, seconds: float) -> Outcome:
    case = Case(kind, lines, 731, months(snapshots), None, (contender,), 1)
    return Outcome(contender, case, Shop(Path("shop"), lines, 1000, 731), Usage(seconds, seconds, 100.0))


def _answer(contender: str, shop_home: Path, folder: Path) -> Path:
    path = folder / f"{contender}.parquet"
    found = BY_NAME[contender].make(source_of(shop_home, (END,)))
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
