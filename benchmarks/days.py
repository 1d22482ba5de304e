"""Two hundred days loaded one by one, while analysts read and a stream writes: does the lake stay as quick as it was?

Run `python -m benchmarks.days [--days N] [--quick] [--json FILE]`. Every tenth day the lake is maintained. Then the
files of `raw.transactions` are counted, and questions are timed that don't grow with the data: a customer's lines, and
a day's revenue.
"""

import argparse
import tempfile
import time
from dataclasses import asdict, dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from threading import Event, Thread

import duckdb
import numpy as np
import polars as pl
from rich.console import Console
from rich.table import Table

from benchmarks.reporting import at_most, machine, print_targets, write_json
from segmentation.metadata.tables.raw import STREAMED_TABLES
from segmentation.settings import Settings
from segmentation.sources.batch.loading import load_days
from segmentation.sources.batch.registration import register
from segmentation.sources.incremental.deliveries import Delivery
from segmentation.sources.incremental.upsert import Upserter
from segmentation.sources.profiles.profile import load_profile
from segmentation.warehouse import Commit, Lake
from segmentation.warehouse.maintenance import flush, maintain
from segmentation.warehouse.schema import migrate

START = date(2025, 1, 1)
CUSTOMERS = 2_000
MAINTAIN_EVERY = 10
BATCH = 200
CORRECTED = 4
"""Of each batch of the stream, so many lines correct earlier ones."""

FILES = """
SELECT count(*)
FROM __ducklake_metadata_lake.ducklake_data_file AS file
JOIN __ducklake_metadata_lake.ducklake_table AS tables USING (table_id)
WHERE tables.table_name = 'transactions' AND file.end_snapshot IS NULL
"""

QUESTIONS = {
    "a customer": "SELECT sum(amount) FROM raw.transactions WHERE customer_bucket = 3 AND customer_id = '{customer}'",
    "a day": "SELECT count(*), sum(amount) FROM raw.transactions "
    "WHERE ordered_at >= TIMESTAMP '{day}' AND ordered_at < TIMESTAMP '{day}' + INTERVAL 1 DAY",
}


@dataclass(frozen=True)
class Look:
    """The lake at some day, after maintenance.

    Attributes:
        day: How many days have been loaded.
        lines: In the table.
        files_before: Data files of the table before maintenance.
        files: And after it.
        maintenance_s: How long that took.
        customer_ms: Median time to a customer's lines.
        day_ms: Median time to a day's revenue.
        load_s: Mean time to load a day, since the last look.
    """

    day: int
    lines: int
    files_before: int
    files: int
    maintenance_s: float
    customer_ms: float
    day_ms: float
    load_s: float


class Streaming(Thread):
    """Lands batches all the time, some lines of which correct earlier ones."""

    def __init__(self, settings: Settings) -> None:
        super().__init__(daemon=True)
        self._settings, self.stop, self.landed = settings, Event(), 0
        self.error: Exception | None = None

    def run(self) -> None:
        """Land until told to stop, and flush now and then."""
        try:
            with Lake(self._settings, inline_rows=20_000) as lake:
                upserter, profile, number, batches = Upserter(lake), load_profile("canonical"), 0, 0
                choose = np.random.default_rng(5)
                while not self.stop.wait(0.5):
                    fresh = [_line(f"s-{number + each}", number + each) for each in range(BATCH - CORRECTED)]
                    late = choose.integers(0, max(number, 1), CORRECTED if number else 0)
                    fresh += [_line(f"s-{each}", int(each), quantity=int(choose.integers(2, 9))) for each in late]
                    upserter.upsert([Delivery("app", profile, fresh, "stream")], now=_now())
                    number += BATCH - CORRECTED
                    batches += 1
                    if batches % 20 == 0:
                        flush(lake, STREAMED_TABLES)
                    self.landed = number
        except Exception as error:  # told where it is waited for
            self.error = error


class Reading(Thread):
    """An analyst who asks for the whole table's revenue, again and again."""

    def __init__(self, settings: Settings) -> None:
        super().__init__(daemon=True)
        self._settings, self.stop, self.answers = settings, Event(), 0
        self.error: Exception | None = None

    def run(self) -> None:
        """Ask until told to stop."""
        try:
            with Lake(self._settings, read_only=True) as lake, lake.cursor() as con:
                while not self.stop.wait(0.2):
                    con.execute("SELECT country, sum(amount) FROM raw.transactions GROUP BY country").fetchall()
                    self.answers += 1
        except Exception as error:  # told where it is waited for
            self.error = error


def main() -> None:
    """Load the days, print what each look found, and say which targets were met."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--days", type=int, default=200)
    parser.add_argument("--quick", action="store_true", help="40 days")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    console, days = Console(width=120), 40 if options.quick else options.days
    with tempfile.TemporaryDirectory(prefix="segmentation-days-") as name:
        looks = _run(console, Path(name), days)
    table = Table("day", "lines", "files before", "files", "maintenance s", "customer ms", "day ms", "load a day s")
    for look in looks:
        table.add_row(*(f"{value:,}" for value in asdict(look).values()))
    console.print(table)
    first, last = looks[1], looks[-1]
    targets = [
        at_most("files after the last maintenance, beside day 20", 1.5, last.files / first.files),
        at_most("a customer's lines then, beside day 20", 2, last.customer_ms / first.customer_ms),
        at_most("a day's revenue then, beside day 20", 2, last.day_ms / first.day_ms),
    ]
    print_targets(console, targets)
    if options.json:
        results = [{"contender": "lake", "case": f"day {look.day}", **asdict(look)} for look in looks]
        write_json(options.json, machine(["duckdb"]), results, targets)


def _run(console: Console, folder: Path, days: int) -> list[Look]:
    settings = Settings(home=folder / "lake")
    with Lake(settings, create=True) as lake:
        migrate(lake)
        _write_days(folder / "days", days)
        streaming, reading = Streaming(settings), Reading(settings)
        streaming.start()
        reading.start()
        looks, began = [], time.monotonic()
        for number in range(days):
            day = START + timedelta(days=number)
            file = str(folder / "days" / f"{day}.parquet")
            register(lake, file, load_profile("canonical"), source="shop", now=_now())
            load_days(lake, day, day + timedelta(days=1), Commit(f"day {day}"), now=_now())
            if number % MAINTAIN_EVERY == MAINTAIN_EVERY - 1:
                load_s = (time.monotonic() - began) / MAINTAIN_EVERY
                looks.append(_look(lake, number + 1, load_s))
                console.print(f"day {number + 1}: {looks[-1].files} files", highlight=False)
                began = time.monotonic()
        for thread in (streaming, reading):
            thread.stop.set()
            thread.join()
            if thread.error:
                raise thread.error
        _check(lake, days, streaming.landed)
    console.print(f"{streaming.landed:,} lines came by stream; the analyst had {reading.answers:,} answers")
    return looks


def _look(lake: Lake, day: int, load_s: float) -> Look:
    with lake.cursor() as con:
        before = _number(con, FILES)
    began = time.monotonic()
    maintain(lake, now=_now(), keep_days=30, protected=())
    maintenance_s = time.monotonic() - began
    with lake.cursor() as con:
        return Look(
            day,
            _number(con, "SELECT count(*) FROM raw.transactions"),
            before,
            _number(con, FILES),
            round(maintenance_s, 2),
            _median_ms(con, QUESTIONS["a customer"].format(customer="c7")),
            _median_ms(con, QUESTIONS["a day"].format(day=START + timedelta(days=day // 2))),
            round(load_s, 2),
        )


def _median_ms(con: duckdb.DuckDBPyConnection, query: str) -> float:
    times = []
    for _ in range(9):
        began = time.perf_counter()
        con.execute(query).fetchall()
        times.append(time.perf_counter() - began)
    return round(float(np.median(times)) * 1000, 1)


def _check(lake: Lake, days: int, streamed: int) -> None:
    with lake.cursor() as con:
        lines = dict(
            con.execute("SELECT source, count(DISTINCT line_id) FROM raw.transactions GROUP BY source").fetchall()
        )
        count = _number(con, "SELECT count(*) FROM raw.transactions")
    expected = {"shop": days * CUSTOMERS, "app": streamed}
    if lines != expected or count != sum(expected.values()):
        raise RuntimeError(f"the lake has {lines}, {count} lines in all; it should have {expected}")


def _write_days(folder: Path, days: int) -> None:
    folder.mkdir()
    for number in range(days):
        day = START + timedelta(days=number)
        lines = [_line(f"d-{number}-{each}", each, day=day) for each in range(CUSTOMERS)]
        pl.DataFrame(lines).write_parquet(folder / f"{day}.parquet")


def _line(line_id: str, number: int, *, quantity: int = 1, day: date = START) -> dict[str, object]:
    return {
        "line_id": line_id,
        "order_id": f"o-{line_id}",
        "customer_id": f"c{number % CUSTOMERS}",
        "product_id": f"p{number % 100}",
        "quantity": quantity,
        "unit_price": 2.5,
        "ordered_at": f"{day} 12:00:00",
        "country": "DE",
    }


def _number(con: duckdb.DuckDBPyConnection, query: str) -> int:
    return int(con.execute(query).fetchall()[0][0])


def _now() -> datetime:
    return datetime.now(UTC).replace(tzinfo=None)


if __name__ == "__main__":
    main()
