"""Orders and returns of customers, as arrays that tell what was known at any past day, and what came after it.

Predictions are fitted and judged at many dates; those need no snapshot of features, since what they need of the past is
in here. At a date with a snapshot these are the numbers of the catalogue.
"""

from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from functools import cached_property

import duckdb
import numpy as np

from segmentation.features.windows import EARLIEST, Window
from segmentation.metadata.tables.raw import TRANSACTIONS
from segmentation.modeling.artefact import Floats, Ints
from segmentation.predictions.inputs import Inputs
from segmentation.shop_calendar import first_moment
from segmentation.warehouse.schema import customer_buckets

MOST_CUSTOMERS = 50_000
"""Of a larger shop, whole buckets of about so many customers are looked at."""

READ_DAYS = 2 * 365
"""How far before the window of a snapshot lines are read: what happened a year ago, and what was known then."""

DAY_S = 86_400.0
EPOCH = datetime.fromtimestamp(0, UTC).replace(tzinfo=None)

READ = f"""
WITH lines AS (
    SELECT customer_id, order_id, ordered_at, quantity, CAST(amount AS DECIMAL(38, 6)) AS amount
    FROM {TRANSACTIONS.name}
    WHERE customer_bucket < $buckets AND ordered_at >= $start AND ordered_at < $end
)
SELECT customer_id, epoch(MIN(ordered_at)) / {DAY_S} AS day, true AS is_order, CAST(SUM(amount) AS DOUBLE) AS money
FROM lines
WHERE quantity > 0
GROUP BY customer_id, order_id
UNION ALL
SELECT customer_id, epoch(ordered_at) / {DAY_S}, false, CAST(-SUM(amount) AS DOUBLE)
FROM lines
WHERE quantity < 0 OR (quantity = 0 AND amount < 0)
GROUP BY customer_id, ordered_at
ORDER BY customer_id, day, is_order, money
"""

COUNTED = f"""
SELECT COUNT(DISTINCT customer_id)
FROM {TRANSACTIONS.name}
WHERE customer_bucket = 0 AND ordered_at >= $start AND ordered_at < $end
"""


@dataclass(frozen=True)
class Known:
    """Customers as of a day.

    Attributes:
        customers: Length n; their numbers, ascending.
        inputs: Theirs.
    """

    customers: Ints
    inputs: Inputs


@dataclass(frozen=True)
class Followed:
    """What n customers did in some days; each of length n."""

    orders: Floats
    revenue: Floats


@dataclass(frozen=True)
class Purchases:
    """Orders and returns before a date; moments are days since 1970 (UTC), money is positive for both.

    Attributes:
        order_customers: Per order, the customer's number: 0, 1, 2, … in order of id.
        order_days: Per order, when.
        order_money: Per order, its spend.
        return_customers: Per return, the customer's number.
        return_days: Per return, when.
        return_money: Per return, what was paid back.
        customer_count: How many customers there are.
        zone: The shop's time zone.
        lookback_days: Of features; None without a limit.
    """

    order_customers: Ints
    order_days: Floats
    order_money: Floats
    return_customers: Ints
    return_days: Floats
    return_money: Floats
    customer_count: int
    zone: str
    lookback_days: int | None

    @cached_property
    def first_day(self) -> float:
        """When the first order was; infinite if there is none."""
        return float(self.order_days.min()) if len(self.order_days) else float("inf")

    def age(self, as_of: date) -> float:
        """For how many days there had been orders."""
        return self.moment(as_of) - self.first_day

    def moment(self, as_of: date) -> float:
        """When a date begins."""
        return _days(first_moment(as_of, self.zone))

    def known(self, as_of: date) -> Known:
        """The customers with an order in the window of a date, with what was known of them."""
        window = window_start(as_of, self.lookback_days)
        now, start = self.moment(as_of), _days(first_moment(window, self.zone))
        within = (self.order_days >= start) & (self.order_days < now)
        who, days, money = self.order_customers[within], self.order_days[within], self.order_money[within]
        back = (self.return_days >= start) & (self.return_days < now)
        count = self._sum(who)
        customers = np.flatnonzero(count)
        first, last = np.full(self.customer_count, np.inf), np.full(self.customer_count, -np.inf)
        np.minimum.at(first, who, days)
        np.maximum.at(last, who, days)
        recent = {length: now - days <= length for length in (30, 90, 365)}
        columns = (
            now - last,
            now - first,
            count,
            *(self._sum(who[recent[length]]) for length in (30, 90, 365)),
            self._sum(who, money),
            self._sum(self.return_customers[back], self.return_money[back]),
            self._sum(who[recent[90]], money[recent[90]]),
        )
        return Known(customers, Inputs(*(column[customers] for column in columns)))

    def followed(self, as_of: date, days: int, customers: Ints) -> Followed:
        """What customers did in the `days` from a date on."""
        start, end = self.moment(as_of), self.moment(as_of + timedelta(days=days))
        within = (self.order_days >= start) & (self.order_days < end)
        back = (self.return_days >= start) & (self.return_days < end)
        gross = self._sum(self.order_customers[within], self.order_money[within])
        returned = self._sum(self.return_customers[back], self.return_money[back])
        return Followed(self._sum(self.order_customers[within])[customers], (gross - returned)[customers])

    def _sum(self, who: Ints, weights: Floats | None = None) -> Floats:
        return np.bincount(who, weights=weights, minlength=self.customer_count).astype(np.float64)


def window_start(as_of: date, lookback_days: int | None) -> date:
    """The first day that features of a date look at."""
    return EARLIEST if lookback_days is None else as_of - timedelta(days=lookback_days)


def first_day_read(window: Window) -> date:
    """The first day whose lines count for the predictions of a snapshot."""
    return max(EARLIEST, window.start - timedelta(days=READ_DAYS)) if window.lookback_days else EARLIEST


def read_purchases(
    con: duckdb.DuckDBPyConnection, window: Window, *, most_customers: int = MOST_CUSTOMERS
) -> Purchases:
    """What is known before a snapshot.

    Args:
        con: A cursor of the lake.
        window: Of the snapshot's features.
        most_customers: Of a larger shop, customers of the first buckets, whose numbers are a hash of the id.
    """
    buckets = customer_buckets(con)
    span = {"start": first_moment(first_day_read(window), window.zone), "end": window.ends_at}
    ((in_first,),) = con.execute(COUNTED, span).fetchall()
    enough = buckets if in_first * buckets <= most_customers else max(1, round(most_customers / in_first))
    rows = con.execute(READ, {"buckets": enough, **span}).fetchnumpy()
    numbers = np.unique(np.asarray(rows["customer_id"]).astype(str), return_inverse=True)[1].astype(np.int64)
    is_order = np.asarray(rows["is_order"], dtype=bool)
    days, money = np.asarray(rows["day"], np.float64), np.asarray(rows["money"], np.float64)
    return Purchases(
        order_customers=numbers[is_order],
        order_days=days[is_order],
        order_money=money[is_order],
        return_customers=numbers[~is_order],
        return_days=days[~is_order],
        return_money=money[~is_order],
        customer_count=int(numbers.max()) + 1 if len(numbers) else 0,
        zone=window.zone,
        lookback_days=window.lookback_days,
    )


def _days(moment: datetime) -> float:
    return (moment - EPOCH).total_seconds() / DAY_S
