"""Each bundled profile reads its sample: the lines, customers and money that the made-up shop had."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise
from pathlib import Path

import pytest

from segmentation.sources.suggestion.suggesting import suggest
from segmentation.warehouse import Lake
from segmentation_assets_tests.domain.sources.shop_files import ingest, rows_of
from segmentation_assets_tests.samples.made_up_shop import Order, orders
from segmentation_assets_tests.samples.make import write_samples

SAMPLES = Path(__file__).parents[2] / "samples"

READ = """
SELECT count(*), count(DISTINCT customer_id), count(DISTINCT order_id), round(sum(amount), 2), min(ordered_at)
FROM raw.transactions
"""


SPANS = """
SELECT customer_id, date_diff('day', min(ordered_at), max(ordered_at)), count(DISTINCT order_id)
FROM raw.transactions GROUP BY customer_id
"""


@dataclass(frozen=True)
class Expected:
    """What of an order a layout tells.

    Attributes:
        is_sold: Whether the order counts.
        lines: How many lines it has.
        is_returned: Whether what was paid back has lines of its own, as many again.
    """

    is_sold: Callable[[Order], bool] = lambda order: order.outcome == "paid"
    lines: Callable[[Order], int] = lambda order: len(order.lines)
    is_returned: bool = False


BY_PROFILE = {
    "amazon-orders": Expected(lambda order: order.outcome in ("paid", "refunded")),
    "shopify": Expected(),
    "magento": Expected(lines=lambda _: 1),
    "woocommerce": Expected(),
    "olist": Expected(
        lambda order: order.outcome in ("paid", "refunded"), lambda order: sum(line.pieces for line in order.lines)
    ),
    "square": Expected(lambda order: order.outcome in ("paid", "refunded") and order.customer != 1, is_returned=True),
    "stripe": Expected(lambda order: order.outcome in ("paid", "pending"), lambda _: 1),
    "ga4": Expected(lambda order: order.outcome != "cancelled", is_returned=True),
}


def test_the_samples_are_what_the_script_writes(tmp_path: Path) -> None:
    write_samples(tmp_path)

    for path in (path for path in tmp_path.rglob("*") if path.is_file()):
        assert (SAMPLES / path.relative_to(tmp_path)).read_bytes() == path.read_bytes(), path.name


@pytest.mark.parametrize("name", sorted(BY_PROFILE))
def test_a_bundled_profile_reads_what_the_shop_sold(lake: Lake, name: str) -> None:
    expected = BY_PROFILE[name]
    sold = [order for order in orders() if expected.is_sold(order)]
    back = [order for order in sold if order.outcome == "refunded"] if expected.is_returned else []

    ingest(lake, SAMPLES / name, name)

    ((lines, customers, _, money, first),) = rows_of(lake, READ)
    assert lines == sum(map(expected.lines, [*sold, *back]))
    assert customers == len({order.customer for order in sold})
    assert money == pytest.approx(sum(order.total for order in sold) - sum(order.total for order in back))
    assert isinstance(first, datetime)
    assert abs((first - min(order.at for order in sold).replace(tzinfo=None)).total_seconds()) < 6 * 3600


def test_lines_of_cdnow_are_read_without_a_header(lake: Lake) -> None:
    sold = [order for order in orders() if order.outcome == "paid"]

    ingest(lake, SAMPLES / "cdnow" / "CDNOW_master.txt", "cdnow")

    ((lines, customers, _, money, _),) = rows_of(lake, READ)
    assert (lines, customers) == (len(sold), len({order.customer for order in sold}))
    assert money == pytest.approx(sum(order.total for order in sold))


def test_instacarts_relative_days_become_a_span_that_is_the_datas(lake: Lake) -> None:
    ingest(lake, SAMPLES / "instacart", "instacart")

    spans = {row[0]: row[1:] for row in rows_of(lake, SPANS)}
    for customer, days in _days_between_orders().items():
        assert spans[str(customer)] == (sum(days), len(days) + 1)


def _days_between_orders() -> dict[int, list[int]]:
    sold = [order for order in orders() if order.outcome == "paid"]
    days = {customer: [order.at.date() for order in sold if order.customer == customer] for customer in range(1, 61)}
    return {
        customer: [(later - before).days for before, later in pairwise(dates)]
        for customer, dates in days.items()
        if dates
    }


@pytest.mark.parametrize("name", [*sorted(BY_PROFILE), "instacart"])
def test_a_sample_is_known_by_its_columns(name: str) -> None:
    assert suggest([str(SAMPLES / name)]).bundled == name
