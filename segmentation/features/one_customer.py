"""One customer, or a handful, in memory: features of lines that need not be in any lake, by the SQL of the pipeline."""

from collections.abc import Mapping, Sequence
from datetime import date
from threading import Lock
from types import TracebackType
from typing import Any, Self

import duckdb

from segmentation.errors import SegmentationError
from segmentation.features.duckdb_slices import prepare, set_snapshot, statement
from segmentation.features.macros import duckdb_shop_time
from segmentation.features.windows import EARLIEST, Window, window_of
from segmentation.metadata.features import GROUPS
from segmentation.shop_calendar import UNIVERSAL

COLUMNS = {
    "customer_id": "VARCHAR",
    "order_id": "VARCHAR",
    "product_id": "VARCHAR",
    "category": "VARCHAR",
    "quantity": "DOUBLE",
    "amount": "DOUBLE",
    "discount": "DOUBLE",
    "ordered_at": "TIMESTAMP",
    "country": "VARCHAR",
    "channel": "VARCHAR",
}
"""What is read of the transaction contract, with DuckDB types."""

OPTIONAL = {"category": None, "discount": 0.0, "country": None, "channel": None}
"""What a line that lacks a column has there."""

OrderLine = Mapping[str, Any]
"""A line in these columns, with `ordered_at` as a naive datetime (UTC)."""

CLOCKS_KNOWN = Window(as_of=date(2100, 1, 1), start=EARLIEST)
"""In this span a calculator knows when clocks change."""

LINES = """
SELECT * REPLACE (
    millionths(quantity) AS quantity,
    millionths(amount) AS amount,
    millionths(discount) AS discount
)
FROM temp.transactions
WHERE ordered_at >= (SELECT window_start FROM temp.snapshot) AND ordered_at < (SELECT as_of FROM temp.snapshot)
"""

INSERT = "INSERT INTO temp.transactions SELECT " + ", ".join(f"unnest(CAST(? AS {t}[]))" for t in COLUMNS.values())

FEATURES_OF = f"FROM {GROUPS[0]} " + " ".join(f"JOIN {group} USING (customer_id)" for group in GROUPS[1:])


class FeatureCalculator:
    """Computes features of lines in memory; keep one, since opening it takes longer than using it.

    The statement is planned once. Threads may share a calculator; they take turns.

    Attributes:
        zone: The shop's time zone.
    """

    def __init__(self, zone: str = UNIVERSAL) -> None:
        """Open an in-memory DuckDB and plan the statement.

        Args:
            zone: The shop's time zone.
        """
        self.zone = zone
        self._con = duckdb.connect(":memory:", config={"threads": 1})
        self._con.execute("SET TimeZone = 'UTC'")
        self._lock = Lock()
        prepare(self._con, duckdb_shop_time(zone, CLOCKS_KNOWN.starts_at, CLOCKS_KNOWN.ends_at))
        columns = ", ".join(f"{name} {kind}" for name, kind in COLUMNS.items())
        self._con.execute(f"CREATE TEMP TABLE transactions ({columns})")
        self._con.execute(f"PREPARE features AS {statement({'lines': LINES}, FEATURES_OF)}")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the DuckDB."""
        self._con.close()

    def compute(
        self,
        transactions: Sequence[OrderLine],
        as_of: date,
        *,
        lookback_days: int | None = None,
        home_market: str | None = None,
    ) -> dict[str, dict[str, Any]]:
        """The features of the customers in some lines, by customer id.

        Args:
            transactions: Lines in the columns of the transaction contract; `category`, `discount`, `country` and
                `channel` may be missing.
            as_of: Lines at or after this day, as it begins in the shop's time zone, do not count.
            lookback_days: Length of the window; None for no limit.
            home_market: The shop's home market, where known.

        Returns:
            Per customer with a purchase in the window, every feature but those that compare customers.

        Raises:
            SegmentationError: A line lacks a column, or has a value that does not fit it.
        """
        rows = [_row(line, number) for number, line in enumerate(transactions, start=1)]
        window = window_of(as_of, lookback_days, self.zone)
        with self._lock:
            try:
                return self._compute(rows, window, home_market)
            except (duckdb.ConversionException, duckdb.InvalidInputException, duckdb.OutOfRangeException) as error:
                raise SegmentationError(f"A transaction has a value that does not fit: {error}") from error

    def _compute(self, rows: list[list[Any]], window: Window, home_market: str | None) -> dict[str, dict[str, Any]]:
        self._con.execute("DELETE FROM temp.transactions")
        if not rows:
            return {}
        self._con.execute(INSERT, [list(column) for column in zip(*rows, strict=True)])
        set_snapshot(self._con, window, home_market)
        found = self._con.execute("EXECUTE features")
        names = [column[0] for column in found.description or ()]
        answers = [dict(zip(names, row, strict=True)) for row in found.fetchall()]
        return {answer.pop("customer_id"): answer for answer in answers}


def _row(line: OrderLine, number: int) -> list[Any]:
    complete = {**OPTIONAL, **line}
    missing = [name for name in COLUMNS if name not in complete]
    if missing:
        raise SegmentationError(f"Transaction {number} has no {', '.join(missing)}.")
    return [complete[name] for name in COLUMNS]
