"""Sources of type dlt: its resources give records, the lake keeps how far they were read."""

import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest

from segmentation.clock import utc_now
from segmentation.errors import SourceError
from segmentation.sources.config import DltSource, parse_sources
from segmentation.sources.incremental.pulling import pull
from segmentation.sources.incremental.upsert import Upserter
from segmentation.sources.profiles.profile import parse_profile
from segmentation.sources.readers.dlt_pages import DltPages, cursor_of, position_of
from segmentation.warehouse import Lake
from segmentation_assets_tests.domain.sources.shop_files import rows_of

SHOP = """
import dlt

ORDERS = [
    {"id": n, "updated_at": n * 10, "customer": {"id": n % 2}, "at": f"2024-03-0{n}",
     "line_items": [{"id": 10 * n + k, "sku": f"s{k}", "quantity": k, "price": "2.50"} for k in (1, 2)]}
    for n in (2, 1, 3)
]


@dlt.source
def shop(token):
    @dlt.resource(name="orders")
    def orders():
        yield ORDERS

    @dlt.resource(name="customers")
    def customers():
        yield {"id": 1}

    return orders, customers


@dlt.resource
def asked(updated_at=dlt.sources.incremental("updated_at", initial_value=0)):
    yield [{"id": 1, "updated_at": updated_at.last_value}]


@dlt.resource
def failing():
    yield {"id": 1}
    raise ConnectionError("the shop is closed")


def plain(token=""):
    return [{"id": 1}]
"""

PROFILE = """
name: shop-api
inputs:
  order_no: [id]
  line_no: [line_items.id]
  customer: [customer.id]
  sku: [line_items.sku]
  pieces: [line_items.quantity]
  price: [line_items.price]
  day: [at]
columns:
  {line_id: line_no, order_id: order_no, customer_id: customer, product_id: sku, quantity: pieces, unit_price: price,
   ordered_at: day}
"""


@pytest.fixture
def shop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    (tmp_path / "made_up_dlt_shop.py").write_text(SHOP)
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.delitem(sys.modules, "made_up_dlt_shop", raising=False)
    return "made_up_dlt_shop"


def source(text: str) -> DltSource:
    found = parse_sources(f"sources: {{api: {{type: dlt, options: {{{text}}}}}}}", "sources.yaml", {})["api"]
    assert isinstance(found, DltSource)
    return found


def test_lines_of_nested_orders_come_into_the_lake_once(lake: Lake, shop: str) -> None:
    profile = parse_profile(PROFILE, "test")
    pages = DltPages(
        source(
            f"source: '{shop}:shop', resource: orders, arguments: {{token: t}}, each: line_items, cursor: updated_at"
        )
    )

    first = pull(Upserter(lake), "api", profile, pages, now=utc_now)
    again = pull(Upserter(lake), "api", profile, pages, now=utc_now)

    assert sum(each.lines_new for each in first) == 6
    assert [(each.lines_read, each.lines_new) for each in again] == [(2, 0)]  # those at the border come again
    assert rows_of(lake, "SELECT count(*), sum(amount) FROM raw.transactions") == [(6, 22.5)]


def test_the_position_moves_with_the_last_page_only(shop: str) -> None:
    pages = DltPages(
        source(f"source: '{shop}:shop', resource: orders, arguments: {{token: t}}, cursor: updated_at, page_lines: 1")
    )

    assert [page.position for page in pages.pages(None)] == [None, None, '{"value": 30}']


def test_a_resource_that_asks_by_its_cursor_is_told_where_to_go_on(shop: str) -> None:
    (page,) = DltPages(source(f"source: '{shop}:asked', cursor: updated_at")).pages('{"value": 7}')

    assert page.records == [{"id": 1, "updated_at": 7}]


def test_positions_keep_the_cursors_type() -> None:
    for value in (7, 1.5, "2024-03-01", datetime(2024, 3, 1, tzinfo=UTC), datetime(2024, 3, 1, tzinfo=UTC).date()):
        assert cursor_of(position_of(value)) == value


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ("source: '{shop}:shop', arguments: {{token: t}}", "needs `resource`, one of customers, orders"),
        ("source: '{shop}:shop', resource: orders, arguments: {{colour: red}}", "can't be made by dlt"),
        ("source: '{shop}:nothing'", "which isn't there"),
        ("source: 'os:system', arguments: {{command: 'true'}}", "neither a source nor a resource of dlt"),
        ("source: '{shop}:plain'", "neither a source nor a resource of dlt"),
        ("source: '{shop}:failing'", "through dlt failed: .*the shop is closed"),
    ],
)
def test_what_is_wrong_is_told(shop: str, options: str, told: str) -> None:
    with pytest.raises(SourceError, match=f"(?s){told}"):
        list(DltPages(source(options.format(shop=shop))).pages(None))


def test_a_check_names_the_resource_and_reads_nothing(shop: str) -> None:
    assert DltPages(source(f"source: '{shop}:failing'")).check() == f"dlt resource failing of {shop}:failing"


def test_without_its_package_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "dlt", None)

    with pytest.raises(SourceError, match=r"pip install 'segmentation-platform\[dlt\]'"):
        DltPages(source("source: 'a:b'")).check()
