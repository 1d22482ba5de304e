import random
from collections.abc import Callable
from pathlib import Path

import polars as pl
import pytest

from segmentation_assets_tests.e2e.conftest import segmentation, sql

pytestmark = pytest.mark.takes(45)

HEADER = "line_id,order_id,customer_id,product_id,quantity,unit_price,ordered_at"


def _lines(customers: int, days: range, alike: bool = False) -> str:
    rng = random.Random(1)
    rows = [
        f"l{c}-{d},o{c}-{d},c{c},p{1 if alike else rng.randrange(9)},{1 if alike else rng.randrange(1, 5)},"
        f"{5 if alike else rng.randrange(1, 90)},2025-{1 + d // 28:02}-{1 + d % 28:02} 12:00:00"
        for d in days
        for c in range(customers)
        if alike or rng.random() < 0.2
    ]
    return "\n".join([HEADER, *rows]) + "\n"


@pytest.fixture(scope="module")
def lake_home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A lake with good lines, which nothing here may change."""
    folder = tmp_path_factory.mktemp("good")
    (folder / "good.csv").write_text(_lines(40, range(120)))
    done = segmentation(folder / "warehouse", "ingest", str(folder / "good.csv"))
    assert done.returncode == 0, done.stderr
    return folder / "warehouse"


def _snapshot(home: Path) -> str:
    return sql(home, "SELECT MAX(snapshot_id) FROM ducklake_snapshots('lake')")


def _text(content: str, name: str = "bad.csv") -> Callable[[Path], list[str]]:
    def make(folder: Path) -> list[str]:
        (folder / name).write_text(content)
        return [str(folder / name)]

    return make


def _truncated_parquet(folder: Path) -> list[str]:
    path = folder / "bad.parquet"
    pl.DataFrame({"order_id": ["o"] * 1000}).write_parquet(path)
    path.write_bytes(path.read_bytes()[:-40])
    return [str(path)]


BAD_FILES: dict[str, tuple[Callable[[Path], list[str]], str]] = {
    "a missing file": (lambda folder: [str(folder / "nothing.csv")], "nothing.csv"),
    "an unknown profile": (lambda folder: ["x.csv", "--profile", "nonsense"], "uci-online-retail"),
    "a missing column": (_text("order_id,customer_id\n1,2\n"), "product_id"),
    "unreadable dates": (_text(f"{HEADER}\nl,o,c,p,1,1,some day\n"), "date"),
    "an empty file": (_text(""), "empty"),
    "a header without lines": (_text(HEADER + "\n"), "no "),
    "a truncated Parquet file": (_truncated_parquet, "Parquet"),
    "a format that nobody knows": (_text("?", "bad.docx"), ".docx"),
}


@pytest.mark.parametrize("name", BAD_FILES)
def test_a_file_that_cannot_be_used_is_refused_and_the_lake_stays(lake_home: Path, tmp_path: Path, name: str) -> None:
    make, message = BAD_FILES[name]
    before = _snapshot(lake_home)
    done = segmentation(lake_home, "ingest", *make(tmp_path))
    assert done.returncode == 1, done.stdout
    assert message in done.stderr
    assert "Traceback" not in done.stderr
    assert _snapshot(lake_home) == before


@pytest.mark.parametrize("customers", [1, 30])
def test_customers_that_cannot_be_told_apart_get_named_rules(tmp_path: Path, customers: int) -> None:
    home = tmp_path / "warehouse"
    (tmp_path / "few.csv").write_text(_lines(customers, range(60), alike=True))
    assert segmentation(home, "ingest", str(tmp_path / "few.csv")).returncode == 0
    done = segmentation(home, "materialize")
    assert done.returncode == 0, done.stderr
    assert "Named RFM rules stand in for K-means" in " ".join(done.stdout.split())
    assert sql(home, "SELECT COUNT(DISTINCT customer_id) FROM segments.customer_segments") == str(customers)


def test_a_week_without_sales_is_noted_and_stops_nothing(tmp_path: Path) -> None:
    home = tmp_path / "warehouse"
    text = _lines(40, range(150))
    kept = [line for line in text.splitlines() if not any(f"2025-04-{day:02}" in line for day in range(1, 20))]
    (tmp_path / "gap.csv").write_text("\n".join(kept))
    done = segmentation(home, "ingest", str(tmp_path / "gap.csv"))
    assert done.returncode == 0, done.stderr
    assert "volume_is_usual" in done.stdout


def test_data_of_less_than_a_month_is_looked_at_from_where_it_ends(tmp_path: Path) -> None:
    home = tmp_path / "warehouse"
    (tmp_path / "march.csv").write_text(_lines(60, range(60, 75)))
    assert segmentation(home, "ingest", str(tmp_path / "march.csv")).returncode == 0
    done = segmentation(home, "materialize")
    assert done.returncode == 0, done.stderr
    assert "Segments as of 2025-03-" in done.stdout
    assert sql(home, "SELECT DISTINCT as_of FROM segments.segment_profiles") == sql(
        home, "SELECT CAST(MAX(ordered_at) AS DATE) + 1 AS as_of FROM raw.transactions"
    )


def test_days_that_cannot_be_loaded_are_named(tmp_path: Path) -> None:
    home = tmp_path / "warehouse"
    (tmp_path / "march.csv").write_text(_lines(20, range(60, 75)))
    done = segmentation(home, "ingest", str(tmp_path / "march.csv"), SEGMENTATION_PARTITIONS_START="2025-06-01")
    assert done.returncode == 1
    assert "days can be loaded from 2025-06-01" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_catalogue_that_cannot_be_reached_is_named(tmp_path: Path) -> None:
    catalog = "postgres:host=127.0.0.1 port=1 dbname=lake password=secret"
    for args in (["doctor"], ["sql", "SELECT 1"], ["materialize"]):
        done = segmentation(tmp_path / "warehouse", *args, SEGMENTATION_CATALOG=catalog)
        said = (done.stdout + done.stderr).replace("\n", " ")
        assert done.returncode == 1
        assert "Can't open the lake's catalogue" in said
        assert "secret" not in said
        assert "Traceback" not in said
