"""`raw.changed_days`, however lines come and go: what it says is what a comparison of the lake's versions says."""

import shutil
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import date, datetime
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from threading import Thread
from typing import Any

import duckdb
import pytest
from hypothesis import HealthCheck, Phase, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from segmentation.settings import Settings
from segmentation.sources.batch import loading
from segmentation.sources.incremental.deliveries import Delivery
from segmentation.sources.incremental.upsert import Upserter
from segmentation.sources.incremental.upsert_transaction import UpsertTransaction
from segmentation.sources.profiles.profile import load_profile
from segmentation.warehouse import Lake, changed_days, maintenance
from segmentation_assets_tests.conftest import BUCKETS
from segmentation_assets_tests.domain.sources.shop_files import NOW, ingest, line, load, rows_of, write

pytestmark = pytest.mark.takes(60)

CANONICAL = load_profile("canonical")
Day = tuple[str, date]
Content = dict[Day, Counter[tuple[object, ...]]]

LINES = "SELECT * EXCLUDE (ingested_at) FROM raw.transactions AT (VERSION => {version})"
NOTES = "SELECT source, ordered_on, line_count_change, lake_version FROM raw.changed_days"


@dataclass
class Witness:
    """Compares each version of a lake with the one before, line by line."""

    lake: Lake
    seen: int
    content: Content = field(default_factory=dict)
    changed_in: dict[Day, int] = field(default_factory=dict)

    @classmethod
    def of(cls, lake: Lake) -> "Witness":
        """Of a lake that has no lines yet."""
        return cls(lake, lake.version())

    def check(self) -> int:
        """That the table says what has happened; returns how many changes of days that were since the last look."""
        found, expected = (
            Counter(rows_of(self.lake, f"{NOTES} WHERE lake_version > {self.seen}")),
            Counter(self._look()),
        )
        assert found == expected
        self.check_totals()
        return expected.total()

    def check_totals(self) -> None:
        """That its sums and last versions are right, into however many rows it is divided."""
        totals = rows_of(
            self.lake,
            f"SELECT source, ordered_on, sum(line_count_change), max(lake_version) FROM ({NOTES}) GROUP BY ALL",
        )
        assert {(source, day): (lines, version) for source, day, lines, version in totals} == {
            day: (self.content.get(day, Counter()).total(), version) for day, version in self.changed_in.items()
        }

    def _look(self) -> Iterator[tuple[str, date, int, int]]:
        for version in range(self.seen + 1, self.lake.version() + 1):
            now = _content(self.lake, version)
            for day in sorted(now.keys() | self.content.keys()):
                after, before = now.get(day, Counter()), self.content.get(day, Counter())
                if after != before:
                    self.changed_in[day] = version
                    yield *day, after.total() - before.total(), version
            self.content, self.seen = now, version


def _content(lake: Lake, version: int) -> Content:
    found: Content = {}
    with lake.cursor() as con:
        query = con.execute(LINES.format(version=version))
        names = [column[0] for column in query.description or ()]
        for row in query.fetchall():
            told = dict(zip(names, row, strict=True))
            found.setdefault((told["source"], told["ordered_at"].date()), Counter())[row] += 1
    return found


@pytest.fixture
def witness(lake: Lake) -> Witness:
    return Witness.of(lake)


def delivered(line_id: str, day: int = 1, **others: object) -> dict[str, object]:
    """A line as somebody delivers it."""
    return {**line(1), "line_id": line_id, "ordered_at": f"2024-01-{day:02d} 10:00:00", **others}


def upsert(lake: Lake, *records: Mapping[str, object], source: str = "app") -> None:
    """Land a delivery."""
    Upserter(lake).upsert([Delivery(source, CANONICAL, records, "push")], now=NOW)


def test_a_load_notes_its_days_and_the_same_load_again_none(lake: Lake, tmp_path: Path, witness: Witness) -> None:
    path = write(tmp_path / "orders.csv", [line(n, country=[None, "DE"][n % 2]) for n in range(30)])
    ingest(lake, path)
    assert witness.check() == 9
    ingest(lake, path)
    load(lake, date(2024, 1, 3), date(2024, 1, 4))
    assert witness.check() == 0


def test_a_file_that_overlaps_changes_the_days_that_it_adds_to(lake: Lake, tmp_path: Path, witness: Witness) -> None:
    ingest(lake, write(tmp_path / "a.csv", [line(n) for n in range(30)]))
    witness.check()
    ingest(lake, write(tmp_path / "b.csv", [line(n) for n in range(25, 30)]))
    assert witness.check() == 0
    ingest(lake, write(tmp_path / "c.csv", [line(n) for n in range(28, 32)]))
    assert witness.check() == 2


@pytest.mark.parametrize("column", ["order_id", "customer_id", "product_id", "quantity", "unit_price", "channel"])
def test_two_lines_that_swap_a_value_have_changed(lake: Lake, tmp_path: Path, witness: Witness, column: str) -> None:
    values: tuple[object, object] = (1, 7) if column in ("quantity", "unit_price") else ("left", "right")
    for first, second in (values, values[::-1]):
        others = {"ordered_at": "2024-01-01 12:00:00", "quantity": 1, "customer_id": "ann", "order_id": "o"}
        rows = [line(1, **(others | {column: first})), line(2, **(others | {column: second}))]
        ingest(lake, write(tmp_path / "orders.parquet", rows))
        assert witness.check() == 1


def test_a_day_that_has_lost_its_lines_is_noted_once(lake: Lake, tmp_path: Path, witness: Witness) -> None:
    path = tmp_path / "orders.csv"
    ingest(lake, write(path, [line(n) for n in range(9)]))
    witness.check()
    ingest(lake, write(path, [line(3)]))
    assert witness.check() == 8
    ingest(lake, path)
    assert witness.check() == 0
    assert rows_of(lake, f"SELECT sum(line_count_change) FROM ({NOTES}) WHERE ordered_on = '2024-01-01'") == [(0,)]


def test_a_line_that_moves_changes_both_days(lake: Lake, witness: Witness) -> None:
    upsert(lake, delivered("1", 1), delivered("2", 1))
    witness.check()
    upsert(lake, delivered("1", 2))
    assert witness.check() == 2
    upsert(lake, delivered("1", 2), delivered("2", 1, quantity=9))
    assert witness.check() == 1
    upsert(lake, delivered("1", 2), delivered("2", 1, quantity=9), delivered("3", quantity=0))
    assert witness.check() == 0


def test_only_the_last_of_several_in_one_delivery_counts(lake: Lake, witness: Witness) -> None:
    upsert(lake, delivered("1", 1))
    witness.check()
    upsert(lake, delivered("1", 5), delivered("1", 1))
    assert witness.check() == 0
    upsert(lake, delivered("1", 5), delivered("1", 3), delivered("2", 3))
    assert witness.check() == 2


def test_days_of_another_source_are_left_alone(lake: Lake, tmp_path: Path, witness: Witness) -> None:
    upsert(lake, delivered("1"), source="app")
    upsert(lake, delivered("2"), delivered("1", quantity=9), source="till")
    ingest(lake, write(tmp_path / "orders.csv", [line(n) for n in range(9)]), source="files")
    assert witness.check() == 11


def test_a_sum_that_was_off_is_right_again_after_a_load(lake: Lake, tmp_path: Path, witness: Witness) -> None:
    path = write(tmp_path / "orders.csv", [line(n) for n in range(9)])
    ingest(lake, path)
    with lake.cursor() as con:
        con.execute("DELETE FROM raw.changed_days WHERE ordered_on < '2024-01-05'")
    ingest(lake, path)
    counted = "SELECT source, CAST(ordered_at AS DATE), count(*) FROM raw.transactions GROUP BY ALL ORDER BY ALL"
    summed = f"SELECT source, ordered_on, sum(line_count_change) FROM ({NOTES}) GROUP BY ALL ORDER BY ALL"
    assert rows_of(lake, summed) == rows_of(lake, counted)


class FullDiskError(Exception):
    """What happens in the middle of a write."""


def _fail(*_: object, **__: object) -> None:
    raise FullDiskError


def test_a_write_that_fails_notes_nothing(
    lake: Lake, tmp_path: Path, witness: Witness, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "orders.csv"
    ingest(lake, write(path, [line(n) for n in range(9)]))
    upsert(lake, delivered("1"))
    witness.check()

    monkeypatch.setattr(UpsertTransaction, "_acknowledge", _fail)
    with pytest.raises(FullDiskError):
        upsert(lake, delivered("1", 2), delivered("2"))
    with monkeypatch.context() as patched:
        patched.setattr(loading, "INSERT_COUNTS", "SELECT error('full')")
        with pytest.raises(duckdb.Error, match="full"):
            ingest(lake, write(path, [line(n, quantity=9) for n in range(5)]))
    assert witness.check() == 0

    ingest(lake, path)
    assert witness.check() == 9


def test_who_writes_at_the_same_time_notes_what_each_has_done(lake: Lake, tmp_path: Path, witness: Witness) -> None:
    def push(number: int) -> None:
        with Lake(lake.settings, inline_rows=1000) as own:
            for round_ in range(4):
                upsert(own, *(delivered(str(i), 1 + (i + round_) % 3, quantity=number + 1) for i in range(8)))

    def load_file(number: int) -> None:
        with Lake(lake.settings) as own:
            for round_ in range(2):
                rows = [line(n, quantity=1 + round_) for n in range(9 * number, 9 * number + 9)]
                ingest(own, write(tmp_path / f"{number}-{round_}.csv", rows))

    threads = [Thread(target=work, args=(number,)) for number in (1, 2) for work in (push, load_file)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert witness.check() >= 9


Deed = Callable[[Lake, Path], None]

FILE_ROWS = st.lists(
    st.tuples(st.integers(0, 5), st.integers(1, 3), st.sampled_from([1, 2]), st.sampled_from(["web", "app", None])),
    min_size=1,
    max_size=7,
)
PUSHED_ROWS = st.lists(
    st.tuples(st.integers(0, 4), st.integers(1, 3), st.sampled_from([0, 1, 2]), st.sampled_from(["web", None])),
    min_size=1,
    max_size=5,
)


def deliver_file(lake: Lake, folder: Path, source: str, name: str, told: Sequence[tuple[Any, ...]]) -> None:
    rows = [
        line(
            number,
            line_id=f"{source}-{day}-{number}",
            quantity=quantity,
            channel=channel,
            ordered_at=f"2024-01-0{day} 10:00:00",
        )
        for number, day, quantity, channel in told
    ]
    ingest(lake, write(folder / source / f"{name}.parquet", rows), source=source)


def load_again(lake: Lake, _: Path, first: int, days: int) -> None:
    load(lake, date(2024, 1, first), date(2024, 1, first + days))


def push(lake: Lake, _: Path, told: Sequence[tuple[Any, ...]]) -> None:
    with Lake(lake.settings, inline_rows=1000) as own:
        upsert(
            own, *(delivered(f"p{n}", day, quantity=quantity, channel=channel) for n, day, quantity, channel in told)
        )


def tidy(lake: Lake, _: Path) -> None:
    maintenance.maintain(lake, now=datetime(2030, 1, 1), keep_days=100_000, protected=())


DEEDS: st.SearchStrategy[Deed] = st.one_of(
    st.builds(
        lambda *args: partial(deliver_file, source=args[0], name=args[1], told=args[2]),
        st.sampled_from(["till", "web"]),
        st.sampled_from(["a", "b"]),
        FILE_ROWS,
    ),
    st.builds(lambda first, days: partial(load_again, first=first, days=days), st.integers(1, 3), st.integers(1, 3)),
    st.builds(lambda told: partial(push, told=told), PUSHED_ROWS),
    st.just(tidy),
)


@contextmanager
def eager_maintenance() -> Iterator[None]:
    """Maintenance of the tables that matter, which sums up whatever it can and writes every bucket anew."""
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(changed_days, "FEW_SPARE_ROWS", 0)
        patched.setattr(changed_days, "MOST_ROWS_PER_DAY", 1)
        patched.setattr(maintenance, "MOST_FILES", 0)
        patched.setattr(maintenance, "TABLES", "SELECT 'raw', unnest(['transactions', 'changed_days'])")
        yield


@hypothesis_settings(
    max_examples=8,
    deadline=None,
    suppress_health_check=list(HealthCheck),
    derandomize=True,
    phases=[Phase.explicit, Phase.generate],
)
@given(deeds=st.lists(DEEDS, min_size=4, max_size=8))
def test_whatever_is_done_in_whatever_order_the_table_is_right(deeds: list[Deed], empty_lake: Path) -> None:
    with TemporaryDirectory() as name, eager_maintenance():
        folder = Path(name)
        shutil.copytree(empty_lake, folder / "lake")
        with Lake(Settings(home=folder / "lake", customer_buckets=BUCKETS, threads=1), create=True) as lake:
            witness = Witness.of(lake)
            for deed in deeds:
                deed(lake, folder)
                witness.check()
            tidy(lake, folder)
            witness.check_totals()
            assert rows_of(lake, f"SELECT count(*) FROM ({NOTES})") == [(len(witness.changed_in),)]
