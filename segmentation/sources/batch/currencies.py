"""Which currencies the lines of files are in: told, and where there are several and no rates, refused as a whole.

Dollars and yen that are added up look like money. Lines with rates are the business of the contract's rules.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import duckdb

from segmentation.errors import SourceError
from segmentation.metadata.tables.raw import TRANSACTIONS
from segmentation.settings import Settings

COUNTS = """
SELECT currency, count(*), sum(amount / coalesce(exchange_rate, 1)), sum(amount)
FROM {accepted}
WHERE currency IS NOT NULL
GROUP BY currency
ORDER BY count(*) DESC, currency
"""

# Lines that the load replaces don't say what the lake is in.
OF_LAKE = f"""
SELECT currency
FROM {TRANSACTIONS.name}
WHERE currency IS NOT NULL AND exchange_rate IS NULL
    AND NOT (source IN (SELECT unnest($sources)) AND ordered_at >= $start AND ordered_at < $end)
LIMIT 1
"""

ADD = (
    "Add SEGMENTATION_CURRENCY, the currency of all reports, and SEGMENTATION_EXCHANGE_RATES, a CSV or Parquet file "
    'with the columns day, currency and rate (what one unit of it is worth); docs/sources.md, "Currencies", says how.'
)


@dataclass(frozen=True)
class CurrencyTotal:
    """The lines in one currency.

    Attributes:
        currency: Its three letters.
        lines: How many there are.
        original: Sum of their amounts, as given.
        converted: The same in the reporting currency.
    """

    currency: str
    lines: int
    original: float
    converted: float


def totals_of(con: duckdb.DuckDBPyConnection, accepted: str) -> list[CurrencyTotal]:
    """The currencies that lines name, most frequent first.

    Args:
        con: Where the lines are.
        accepted: Relation of accepted lines.
    """
    return [CurrencyTotal(*row) for row in con.execute(COUNTS.format(accepted=accepted)).fetchall()]


def refuse_mixed(
    con: duckdb.DuckDBPyConnection, settings: Settings, accepted: str, replaced: Mapping[str, object]
) -> None:
    """Refuse lines in several currencies, or in another one than the lake's, where nothing converts them.

    Args:
        con: Of the lake, with the lines.
        settings: Say the reporting currency, and whether there are rates.
        accepted: Relation of accepted lines.
        replaced: `sources`, `start` and `end` of the lines of the lake that they replace.

    Raises:
        SourceError: So it is.
    """
    if settings.exchange_rates is not None:
        return
    found = totals_of(con, accepted)
    if not found:
        return
    row = None if settings.currency else con.execute(OF_LAKE, dict(replaced)).fetchone()
    reporting = settings.currency or (row[0] if row else found[0].currency)
    if all(each.currency == reporting for each in found):
        return
    counted = " and ".join(f"{each.lines:,} lines in {each.currency}" for each in found)
    whose = "SEGMENTATION_CURRENCY is" if settings.currency else "the lake is in" if row else ""
    besides = f", while {whose} {reporting}" if whose else ""
    raise SourceError(f"There are {counted}{besides}, and no exchange rates to bring them to one currency. {ADD}")


def notes_on(totals: list[CurrencyTotal], reporting: str) -> list[str]:
    """What a dry run says about currencies."""
    return [_note(each, reporting or each.currency) for each in totals]


def _note(each: CurrencyTotal, reporting: str) -> str:
    given = f"{each.lines:,} accepted lines are in {each.currency} and come to {each.original:,.2f}"
    if each.currency == reporting:
        return f"{given}."
    return f"{given}, which is {each.converted:,.2f} {reporting} at the rates of their days."
