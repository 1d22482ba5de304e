"""Fields that stand on an order's first line only are carried to its other lines, within the file."""

import random
from pathlib import Path

import pytest

from segmentation.errors import SourceError
from segmentation.sources.profiles.profile import Profile, load_profile, parse_profile, require_single_lines
from segmentation.warehouse import Lake
from segmentation_assets_tests.domain.sources.shop_files import (
    CASES,
    Row,
    case_profile,
    ingest,
    reasons,
    rows_of,
    write,
)

CASE = "05-order-fields-only-on-first-line"
ACCEPTED = "SELECT order_id, product_id FROM raw.transactions ORDER BY ALL"


def with_carry() -> Profile:
    return load_profile(str(CASES / CASE / "carry.yaml"))


def exported(order: str, sku: str, status: str = "", price: str = "1", day: str = "2024-03-01") -> Row:
    """A line of the case's export."""
    return {
        "Name": order, "Email": "a@example.com", "Financial Status": status, "Created at": day, "Currency": "",
        "Lineitem sku": sku, "Lineitem quantity": "1", "Lineitem price": price, "Refunded Amount": "",
    }  # fmt: skip


def test_a_rule_about_an_order_holds_for_all_of_its_lines(lake: Lake) -> None:
    _, report = ingest(lake, CASES / CASE / "input.csv", with_carry())

    assert (report.accepted, report.rejected_by_reason) == (2, {"not_paid": 2})
    assert rows_of(lake, ACCEPTED) == [("#1", "s1"), ("#1", "s2")]


@pytest.mark.parametrize("name", ["orders.csv", "orders.parquet", "orders.xlsx", "orders.jsonl"])
def test_the_lines_of_an_order_need_not_be_together(lake: Lake, tmp_path: Path, name: str) -> None:
    rows = [exported(f"#{number}", f"s{number}", "paid" if number % 2 else "voided") for number in range(50)]
    rest = [exported(f"#{number}", "more") for number in range(50)]
    random.Random(1).shuffle(rest)

    _, report = ingest(lake, write(tmp_path / name, [*rest[:25], *rows, *rest[25:]]), with_carry())

    assert (report.accepted, report.rejected_by_reason) == (50, {"not_paid": 50})


def test_what_a_line_says_itself_stays_and_the_nearest_above_is_carried(lake: Lake, tmp_path: Path) -> None:
    rows = [
        exported("#1", "below"),
        exported("#1", "a", "paid"),
        exported("#2", "other", "voided"),
        exported("#1", "b", "  "),
        exported("#1", "c", "refunded"),
        exported("#1", "d"),
    ]

    ingest(lake, write(tmp_path / "orders.csv", rows), with_carry())

    assert [product for _, product in rows_of(lake, ACCEPTED)] == ["a", "b", "below"]
    assert reasons(lake) == {"not_paid": 3}


def test_files_are_looked_at_each_by_itself_and_so_are_lines_without_an_order(lake: Lake, tmp_path: Path) -> None:
    lines = with_carry().model_copy(update={"rules": (with_carry().rules[0].model_copy(update={
        "reject": "input.status IS DISTINCT FROM 'paid'"}),)})  # fmt: skip
    write(tmp_path / "in/a.csv", [exported("#1", "a", "paid"), exported("", "b", "paid"), exported("", "c")])
    write(tmp_path / "in/b.csv", [exported("#1", "other file")])

    ingest(lake, tmp_path / "in", lines)

    assert rows_of(lake, ACCEPTED) == [("#1", "a")]
    assert reasons(lake) == {"not_paid": 2, "missing_order": 1}


def test_without_an_order_to_go_by_cells_hold_for_the_lines_below(lake: Lake, tmp_path: Path) -> None:
    merged = case_profile(CASE, carry={"inputs": ["name", "status", "created"]})
    rows = [exported("", "before", "", day=""), exported("#1", "a", "paid"), exported("", "b", day=""),
            exported("#2", "c", "voided"), exported("", "d", day="")]  # fmt: skip

    ingest(lake, write(tmp_path / "orders.xlsx", rows), merged)

    assert rows_of(lake, ACCEPTED) == [("#1", "a"), ("#1", "b")]
    assert reasons(lake) == {"not_paid": 2, "missing_order": 1}


def test_days_of_lines_may_be_carried_too(lake: Lake, tmp_path: Path) -> None:
    dated = case_profile(CASE, carry={"by": "name", "inputs": ["status", "created"]}, rules=[])
    rows = [exported("#1", "a", day="2024-03-01"), exported("#2", "b", day="2024-03-05"), exported("#1", "c", day="")]

    registered, report = ingest(lake, write(tmp_path / "orders.csv", rows), dated)

    assert (registered.line_count, report.accepted, report.rejected) == (3, 3, 0)
    assert rows_of(lake, "SELECT day(ordered_at), count(*) FROM raw.transactions GROUP BY 1 ORDER BY 1") == [
        (1, 2),
        (5, 1),
    ]


def test_what_is_carried_has_to_be_an_input() -> None:
    with pytest.raises(SourceError, match="`carry` names nothing, status_of, which `inputs` lacks"):
        case_profile(CASE, carry={"by": "nothing", "inputs": ["status_of"]})


def test_delivered_lines_have_to_be_whole() -> None:
    with pytest.raises(SourceError, match=r"puts lines together from several \(`carry`\), which only files can have"):
        require_single_lines(with_carry())
    require_single_lines(parse_profile((CASES / CASE / "profile.yaml").read_text(), CASE))
