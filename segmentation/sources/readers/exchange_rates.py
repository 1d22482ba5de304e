"""The user's table of exchange rates, as a relation with a rate for each day.

The file is CSV or Parquet with the columns `day`, `currency` and `rate`: so many units of the reporting currency is
one of `currency`. Or it is the European Central Bank's history (`eurofxref-hist.csv`): `Date` and a column per
currency, with what one euro was worth.
"""

from pathlib import Path

import duckdb

from segmentation.errors import SourceError
from segmentation.settings import Settings
from segmentation.warehouse.sql import brief_error, identifier

MAX_AGE_DAYS = 31
"""How long the last rate before a day will do for it: over holidays, and for tables of a rate a month."""

COLUMNS = ("day", "currency", "rate")

READ = "CREATE OR REPLACE TEMP TABLE {relation} AS FROM {reader}"

READERS = {".csv": "read_csv($path, all_varchar = true, header = true)", ".parquet": "read_parquet($path)"}

GIVEN = """
CREATE OR REPLACE TEMP TABLE {relation} AS
SELECT CAST(day AS VARCHAR) AS given_day, TRY_CAST(day AS DATE) AS day,
    upper(trim(CAST(currency AS VARCHAR))) AS currency,
    CAST(rate AS VARCHAR) AS given_rate, TRY_CAST(rate AS DOUBLE) AS rate
FROM {relation}
"""

# What one euro was worth; what was not quoted is `N/A`.
OF_ECB = """
CREATE OR REPLACE TEMP TABLE {relation} AS
WITH quoted AS (
    SELECT TRY_CAST({day} AS DATE) AS day, currency, TRY_CAST(value AS DOUBLE) AS value
    FROM (UNPIVOT (SELECT COLUMNS(* EXCLUDE ({day}))::VARCHAR, {day} FROM {relation}) ON * EXCLUDE ({day})
        INTO NAME currency VALUE value)
    WHERE regexp_full_match(currency, '[A-Z]{{3}}')
    UNION ALL
    SELECT DISTINCT TRY_CAST({day} AS DATE), 'EUR', 1.0 FROM {relation}
)
SELECT CAST(quoted.day AS VARCHAR) AS given_day, quoted.day, quoted.currency,
    CAST(quoted.value AS VARCHAR) AS given_rate, reporting.value / quoted.value AS rate
FROM quoted JOIN quoted AS reporting ON quoted.day = reporting.day AND reporting.currency = $reporting
WHERE quoted.value IS NOT NULL AND reporting.value IS NOT NULL
"""

UNUSABLE = """
SELECT given_day, currency, given_rate
FROM {relation}
WHERE day IS NULL OR NOT coalesce(regexp_full_match(currency, '[A-Z]{{3}}'), false)
    OR NOT coalesce(isfinite(rate) AND rate > 0, false)
LIMIT 1
"""

TWICE = """
SELECT day, currency, min(rate), max(rate) FROM {relation} GROUP BY ALL HAVING min(rate) <> max(rate) LIMIT 1
"""

BY_DAY = f"""
CREATE OR REPLACE TEMP TABLE {{relation}} AS
SELECT currency, rate,
    CAST(unnest(generate_series(day, least(next_day - 1, day + {MAX_AGE_DAYS}), INTERVAL 1 DAY)) AS DATE) AS day
FROM (
    SELECT *, coalesce(lead(day) OVER (PARTITION BY currency ORDER BY day), DATE '9999-01-01') AS next_day
    FROM (SELECT DISTINCT currency, day, rate FROM {{relation}} WHERE currency <> $reporting)
)
"""


class ExchangeRates:
    """The user's table, read when it is needed and again when it has changed."""

    def __init__(self, path: Path, reporting: str) -> None:
        """Read nothing yet: where no line names a currency, the file need not be there."""
        self._path, self._reporting = path, reporting
        self._stamp: tuple[int, int] | None = None

    def read(self, con: duckdb.DuckDBPyConnection, relation: str) -> bool:
        """Fill a temporary table as `read_rates` does, unless it has been filled from the file as it is.

        Returns:
            Whether it has been filled.

        Raises:
            SourceError: The file can't be read, or what it says can't be used.
        """
        try:
            status = self._path.stat()
        except OSError as error:
            raise SourceError(f"The exchange rates {self._path} can't be read: {error.strerror}.") from error
        if (status.st_mtime_ns, status.st_size) == self._stamp:
            return False
        read_rates(con, self._path, self._reporting, relation)
        self._stamp = (status.st_mtime_ns, status.st_size)
        return True


def rates_of(settings: Settings) -> ExchangeRates | None:
    """The table that the settings name; None if they name none."""
    return None if settings.exchange_rates is None else ExchangeRates(settings.exchange_rates, settings.currency)


def read_rates(con: duckdb.DuckDBPyConnection, path: Path, reporting: str, relation: str) -> None:
    """Fill a temporary table with `currency`, `day` and `rate`, for each day that has one.

    Args:
        con: Where it is made.
        path: The user's table.
        reporting: The reporting currency.
        relation: The table; it takes the place of an earlier one.

    Raises:
        SourceError: The file can't be read, or what it says can't be used; the message says where.
    """
    reader = READERS.get(path.suffix.lower())
    if reader is None:
        raise SourceError(f"SEGMENTATION_EXCHANGE_RATES names {path}. It has to end in {' or '.join(READERS)}.")
    try:
        con.execute(READ.format(relation=relation, reader=reader), {"path": str(path)})
        names = [row[0] for row in con.execute(f"DESCRIBE {relation}").fetchall()]
        if "Date" in names and "day" not in names:
            con.execute(OF_ECB.format(relation=relation, day=identifier("Date")), {"reporting": reporting})
        else:
            _require_columns(path, names)
            con.execute(GIVEN.format(relation=relation))
        _refuse_unusable(con, path, relation)
        con.execute(BY_DAY.format(relation=relation), {"reporting": reporting})
    except duckdb.Error as error:
        raise SourceError(f"The exchange rates {path} can't be read: {brief_error(error)}") from error


def _require_columns(path: Path, names: list[str]) -> None:
    if missing := [name for name in COLUMNS if name not in {each.strip().lower() for each in names}]:
        raise SourceError(
            f"The exchange rates {path} lack {', '.join(missing)}. They need the columns day, currency and rate: so "
            f"many units of the reporting currency is one of `currency`. The file has {', '.join(names)}."
        )


def _refuse_unusable(con: duckdb.DuckDBPyConnection, path: Path, relation: str) -> None:
    if row := con.execute(UNUSABLE.format(relation=relation)).fetchone():
        day, currency, rate = row
        raise SourceError(
            f"The exchange rates {path} have a row that can't be used: day {day!r}, currency {currency!r}, rate "
            f"{rate!r}. A day is written 2025-01-31, a currency as its three letters, and a rate as a number above 0 "
            "such as 0.92."
        )
    if row := con.execute(TWICE.format(relation=relation)).fetchone():
        day, currency, low, high = row
        raise SourceError(f"The exchange rates {path} give {currency} two rates on {day}: {low} and {high}. Keep one.")
