"""Lifts: what the customers of a segment buy, and which RFM segments they are in, more often than everybody.

Counts of customers, in SQL. Lines are read once, bucket by bucket: a customer's lines are all in one bucket, so that
counts add up, and memory is bounded by a bucket.
"""

from collections.abc import Callable
from dataclasses import dataclass
from math import sqrt

import duckdb

from segmentation.explanations.findings import Characteristic, FindingKind
from segmentation.explanations.wording import percent
from segmentation.features.windows import Window
from segmentation.metadata.tables.features import CUSTOMER_FEATURES
from segmentation.metadata.tables.raw import PRODUCTS, TRANSACTIONS
from segmentation.metadata.tables.segments import CUSTOMER_SEGMENTS, of_model
from segmentation.warehouse.schema import customer_buckets

LISTED = 5
"""Products, and categories, that are listed per segment."""

MIN_BUYERS = 10
MIN_SHARE = 0.05
"""An item is listed if at least so many of the segment's customers, and this share of them, bought it."""

Z = 1.6448536269514722
"""Of a one-sided 95 % confidence bound."""

# Buckets and times are written out, not bound: DuckLake skips files by what it can see when it plans.
IN_WINDOW = "line.quantity > 0 AND line.ordered_at >= TIMESTAMP '{start}' AND line.ordered_at < TIMESTAMP '{as_of}'"

CANDIDATES = f"""
SELECT product_id, CAST(ROW_NUMBER() OVER () AS INTEGER) AS code
FROM (
    SELECT product_id
    FROM {TRANSACTIONS.name} AS line
    WHERE {IN_WINDOW}
    GROUP BY product_id
    HAVING COUNT(*) >= {MIN_BUYERS}
)
"""
"""A product with fewer lines can't have enough buyers."""

BASKET = f"""
SELECT DISTINCT
    assigned.segment_id,
    assigned.customer,
    candidates.code AS product,
    line.category
FROM (FROM {TRANSACTIONS.name} WHERE customer_bucket = {{bucket}}) AS line
JOIN temp.assigned AS assigned ON assigned.customer_id = line.customer_id
LEFT JOIN temp.candidates AS candidates ON candidates.product_id = line.product_id
WHERE {IN_WINDOW}
"""

ASSIGNED = f"""
SELECT customer_id, segment_id, CAST(ROW_NUMBER() OVER () AS INTEGER) AS customer
FROM {of_model(CUSTOMER_SEGMENTS)}
WHERE as_of = $as_of
"""

COUNT_PRODUCTS = """
INSERT INTO temp.buyers
SELECT 'product', product_id, segment_id, buyers
FROM (
    SELECT product, segment_id, COUNT(*) AS buyers
    FROM (SELECT DISTINCT segment_id, customer, product FROM temp.basket WHERE product IS NOT NULL)
    GROUP BY ALL
)
JOIN temp.candidates ON code = product
"""

COUNT_CATEGORIES = """
INSERT INTO temp.buyers
SELECT 'category', category, segment_id, COUNT(*)
FROM (SELECT DISTINCT segment_id, customer, category FROM temp.basket WHERE category IS NOT NULL)
GROUP BY ALL
"""

NAMES = f"""
SELECT product_id, name, COUNT(*) OVER (PARTITION BY name) > 1 AS is_shared
FROM (
    SELECT product_id, MIN(product_name) AS name
    FROM {PRODUCTS.name}
    WHERE product_name IS NOT NULL
    GROUP BY product_id
)
"""

SHARES = """
WITH sized AS (
    SELECT segment_id, COUNT(*) AS customers, SUM(COUNT(*)) OVER () AS everybody
    FROM {segments}
    WHERE as_of = $as_of
    GROUP BY segment_id
),
counted AS (
    SELECT kind, item, segment_id, SUM(buyers) AS buyers, SUM(SUM(buyers)) OVER (PARTITION BY kind, item) AS all_buyers
    FROM ({counts})
    GROUP BY kind, item, segment_id
)
SELECT
    counted.segment_id,
    kind,
    item,
    COALESCE(names.name, item) AS name,
    COALESCE(names.is_shared, false) AS is_shared,
    CAST(buyers AS BIGINT) AS buyers,
    CAST(customers AS BIGINT) AS customers,
    CAST(all_buyers AS BIGINT) AS all_buyers,
    CAST(everybody AS BIGINT) AS everybody
FROM counted
JOIN sized ON sized.segment_id = counted.segment_id
LEFT JOIN ({names}) AS names ON kind = 'product' AND names.product_id = item
WHERE buyers >= $min_buyers AND buyers >= $min_share * customers
"""

RFM = f"""
SELECT 'rfm' AS kind, rfm_segment AS item, segment_id, COUNT(*) AS buyers
FROM (FROM {of_model(CUSTOMER_SEGMENTS)} WHERE as_of = $as_of) AS assigned
JOIN (FROM {CUSTOMER_FEATURES.name} WHERE as_of = $as_of) AS features
    ON features.customer_id = assigned.customer_id
WHERE rfm_segment IS NOT NULL
GROUP BY ALL
"""


@dataclass(frozen=True)
class Share:
    """How many customers of a segment, and of everybody, have an item."""

    segment_id: int
    kind: FindingKind
    item: str
    name: str
    is_name_shared: bool
    buyers: int
    customers: int
    all_buyers: int
    everybody: int

    @property
    def value(self) -> float:
        """Share of the segment's customers."""
        return self.buyers / self.customers

    @property
    def reference(self) -> float:
        """Share of all customers."""
        return self.all_buyers / self.everybody

    @property
    def lift(self) -> float:
        """How many times as frequent it is in the segment as among everybody."""
        return self.value / self.reference

    @property
    def least_lift(self) -> float:
        """Lower confidence bound of the lift, so that an item with a few buyers does not come first by chance."""
        return wilson_bound(self.buyers, self.customers) / self.reference


def find_favourites(con: duckdb.DuckDBPyConnection, window: Window) -> list[Characteristic]:
    """The products and the categories with the greatest lift, per segment.

    Args:
        con: A cursor of the lake.
        window: The snapshot's.

    Returns:
        Findings by segment id and kind, the greatest lift first. None for items that too few customers bought, and no
        categories where lines have none.
    """
    span = {"start": window.starts_at, "as_of": window.ends_at}
    con.execute(f"CREATE OR REPLACE TEMP TABLE candidates AS {CANDIDATES.format(**span)}")
    con.execute(f"CREATE OR REPLACE TEMP TABLE assigned AS {ASSIGNED}", {"as_of": window.as_of})
    con.execute("CREATE OR REPLACE TEMP TABLE buyers (kind VARCHAR, item VARCHAR, segment_id INTEGER, buyers BIGINT)")
    for bucket in range(customer_buckets(con)):
        con.execute(f"CREATE OR REPLACE TEMP TABLE basket AS {BASKET.format(**span, bucket=bucket)}")
        con.execute(COUNT_PRODUCTS)
        con.execute(COUNT_CATEGORIES)
    shares = _shares(con, window, "FROM temp.buyers", MIN_BUYERS, MIN_SHARE)
    return _ranked(shares, lambda share: -share.least_lift, LISTED, _bought)


def find_rfm_mix(con: duckdb.DuckDBPyConnection, window: Window) -> list[Characteristic]:
    """The named RFM segments that a segment's customers are in, the most frequent first."""
    shares = _shares(con, window, RFM, 1, 0.0)
    return _ranked(shares, lambda share: -share.value, None, _is_in)


def wilson_bound(hits: int, tries: int) -> float:
    """Lower bound of a share, at 95 % confidence (Wilson 1927).

    Args:
        hits: How many have it.
        tries: Of how many; positive.
    """
    share, spread = hits / tries, Z * Z / tries
    return (share + spread / 2 - Z * sqrt(share * (1 - share) / tries + spread / (4 * tries))) / (1 + spread)


def _shares(
    con: duckdb.DuckDBPyConnection, window: Window, counts: str, min_buyers: int, min_share: float
) -> list[Share]:
    query = SHARES.format(segments=of_model(CUSTOMER_SEGMENTS), counts=counts, names=NAMES)
    rows = con.execute(query, {"as_of": window.as_of, "min_buyers": min_buyers, "min_share": min_share})
    return [Share(*row) for row in rows.fetchall()]


def _ranked(
    shares: list[Share], order: Callable[[Share], float], limit: int | None, say: Callable[[Share], str]
) -> list[Characteristic]:
    groups: dict[tuple[int, FindingKind], dict[str, Share]] = {}
    for share in sorted(shares, key=lambda s: (s.segment_id, s.kind, order(s), s.item)):
        groups.setdefault((share.segment_id, share.kind), {}).setdefault(share.name, share)
    return [
        Characteristic(
            share.segment_id,
            share.kind,
            share.item,
            share.value,
            share.reference,
            share.lift if share.kind == "rfm" else share.least_lift,
            say(share),
        )
        for group in groups.values()
        for share in list(group.values())[:limit]
    ]


def _bought(share: Share) -> str:
    name = f"{share.name} ({share.item})" if share.is_name_shared else share.name
    times = f" ({share.lift:.1f} times)" if share.lift >= 1.1 else ""
    return f"{name}: bought by {percent(share.value)} of the segment and {percent(share.reference)} of everybody{times}"


def _is_in(share: Share) -> str:
    return f"{share.name}: {percent(share.value)} of the segment, {percent(share.reference)} of everybody"
