"""Currencies: from what a line says its money is in to the reporting currency, as SQL. Nothing is executed here.

Amounts are stored in the reporting currency, which is `SEGMENTATION_CURRENCY`. A line that names no currency is in it.
Where the rates come from is `readers.exchange_rates`; what becomes of lines without one is a rule of the contract, and
for files without any rates, `batch.currencies`.
"""

from dataclasses import dataclass

from segmentation.warehouse.sql import literal

CONVERTED = """
SELECT filled.* REPLACE (
    unit_price * coalesce(rates.rate, 1) AS unit_price,
    amount * coalesce(rates.rate, 1) AS amount,
    discount * coalesce(rates.rate, 1) AS discount,
    rates.rate AS exchange_rate,
    {lacks_rate} AS lacks_exchange_rate
)
FROM ({filled}) AS filled
LEFT JOIN {rates} AS rates ON filled.currency = rates.currency AND CAST({local_time} AS DATE) = rates.day
"""

LOCAL_TIME = "timezone({zone}, timezone('UTC', filled.ordered_at))"

LACKS_RATE = "coalesce(filled.currency <> {reporting} AND rates.rate IS NULL, false)"

NO_RATES = "(SELECT CAST(NULL AS VARCHAR) AS currency, CAST(NULL AS DATE) AS day, CAST(NULL AS DOUBLE) AS rate LIMIT 0)"


@dataclass(frozen=True)
class Exchange:
    """How money is brought to one currency.

    Attributes:
        reporting: SQL of the reporting currency; None where lines may be in any, which others look at.
        zone: Time zone in which days begin.
        rates: Relation of `currency`, `day` and `rate`: so many units of the reporting currency is one of `currency`.
    """

    reporting: str | None
    zone: str = "UTC"
    rates: str = NO_RATES


def converted(filled: str, exchange: Exchange) -> str:
    """SQL of `filled` with unit price, amount and discount in the reporting currency, by the rate of the line's day.

    A line that lacks one stays as it is, and `lacks_exchange_rate` says so.
    """
    lacks_rate = "false" if exchange.reporting is None else LACKS_RATE.format(reporting=exchange.reporting)
    local_time = LOCAL_TIME.format(zone=literal(exchange.zone)) if exchange.zone != "UTC" else "filled.ordered_at"
    return CONVERTED.format(filled=filled, rates=exchange.rates, lacks_rate=lacks_rate, local_time=local_time)
