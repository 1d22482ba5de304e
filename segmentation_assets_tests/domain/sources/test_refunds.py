"""Refunds in all spellings come in, of goods and of money alone; so do exports of orders without products."""

from datetime import datetime
from pathlib import Path

import pytest

from segmentation.sources.profiles.profile import load_profile, parse_profile
from segmentation.warehouse import Lake
from segmentation_assets_tests.domain.sources.shop_files import (
    CASES,
    Row,
    case_profile,
    changed,
    ingest,
    line,
    reasons,
    rows_of,
    write,
)

CASE = "14-refunds-of-money-only"
LINES = "SELECT quantity, unit_price, amount FROM raw.transactions ORDER BY ordered_at"

ALL_SPELLINGS = {
    "quantity": "CASE WHEN as_number(total) < 0 THEN -abs(coalesce(as_number(qty), 0)) ELSE as_number(qty) END",
    "unit_price": "abs(as_number(price))",
}


def test_the_spellings_of_a_refund_have_a_way_in(lake: Lake) -> None:
    _, report = ingest(lake, CASES / CASE / "input.csv", load_profile(str(CASES / CASE / "refunds.yaml")))

    assert (report.accepted, report.rejected) == (4, 0)
    assert rows_of(lake, LINES) == [(2, 10, 20), (-1, 10, -10), (0, 0, -3), (-1, 5, -5)]


def test_a_refund_without_a_count_is_one_of_money(lake: Lake, tmp_path: Path) -> None:
    known = case_profile(CASE)
    rows = [
        {"order_id": "1", "customer_id": "c", "product_id": "p", "quantity": pieces, "unit_price": price,
         "ordered_at": f"2024-03-0{day}", "amount": amount}
        for day, (pieces, price, amount) in enumerate((("", "", "-3"), ("", "5", "-5"), ("", "5", "5")), start=1)
    ]  # fmt: skip

    ingest(lake, write(tmp_path / "in.csv", rows), case_profile(CASE, columns=known.columns | ALL_SPELLINGS))

    assert rows_of(lake, LINES) == [(0, 0, -3), (0, 5, -5)]
    assert reasons(lake) == {"missing_quantity": 1}


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"amount": "-3"}, None),
        ({"amount": "-3", "unit_price": ""}, None),
        ({"amount": "0"}, "zero_quantity"),
        ({"amount": "3"}, "zero_quantity"),
        ({"amount": ""}, "zero_quantity"),
        ({"amount": "", "unit_price": ""}, "zero_quantity"),
        ({"amount": "-inf"}, "not_finite"),
    ],
)
def test_nothing_that_is_no_refund_is_taken_for_one(
    lake: Lake, tmp_path: Path, fields: Row, reason: str | None
) -> None:
    write(tmp_path / "in.csv", [line(1, **{"quantity": 0, "amount": ""} | dict(fields)), line(2, amount="")])

    ingest(lake, tmp_path / "in.csv", changed("canonical"))

    assert reasons(lake) == ({reason: 1} if reason else {})


def test_orders_without_products_are_lines_of_their_own(lake: Lake, tmp_path: Path) -> None:
    profile = parse_profile(
        """
name: order-export
inputs: {order_no: [Order], email: [Email], total: [Total], day: [Date]}
columns:
  line_id: order_no
  order_id: order_no
  customer_id: lower(email)
  product_id: "'order'"
  quantity: CASE WHEN as_number(total) < 0 THEN -1 ELSE 1 END
  amount: total
  ordered_at: day
""",
        "a test",
    )
    rows = [
        {"Order": "1", "Email": "A@example.com", "Total": "20.00", "Date": "2024-03-01"},
        {"Order": "2", "Email": "a@example.com", "Total": "-5.00", "Date": "2024-03-02"},
    ]

    ingest(lake, write(tmp_path / "in.csv", rows), profile)

    assert rows_of(lake, LINES) == [(1, 20, 20), (-1, 5, -5)]
    assert rows_of(lake, "SELECT DISTINCT customer_id, product_id FROM raw.transactions") == [
        ("a@example.com", "order")
    ]
    assert rows_of(lake, "SELECT max(ordered_at) FROM raw.transactions") == [(datetime(2024, 3, 2),)]
