from pathlib import Path

import polars as pl
import pytest

from benchmarks.features.comparison import compare
from benchmarks.features.contenders.registry import BY_NAME
from benchmarks.features.contenders.source import source_of
from benchmarks.features.data import END


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
