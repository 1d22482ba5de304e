"""Orders with nested lines: `path` says where records are, `each` where a record has its lines, dots lead inside."""

import gzip
import json
from pathlib import Path

import pytest

from segmentation.errors import SourceError
from segmentation.sources.profiles.profile import Profile, parse_profile
from segmentation.sources.readers.json_paths import nested
from segmentation.sources.readers.records import as_table
from segmentation.warehouse import Lake
from segmentation_assets_tests.domain.sources.shop_files import CASES, NOW, ingest, reasons, rows_of

CASE = CASES / "12-orders-with-nested-lines"

LINES = "SELECT order_id, customer_id, product_id, amount FROM raw.transactions ORDER BY ALL"
THREE = [("1", "7", "a", 10.0), ("1", "7", "b", 3.0), ("2", "8", "a", 5.0)]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Where a test puts its files, away from the lake."""
    (tmp_path / "in").mkdir()
    return tmp_path / "in"


def profile(text: str = "{each: line_items}", **changes: object) -> Profile:
    """The case's profile, with another reader."""
    known = parse_profile((CASE / "each.yaml").read_text(), "each.yaml").model_dump(mode="json", exclude_defaults=True)
    made = parse_profile(json.dumps(known | {"reader": {}} | changes), "a test")
    reader = parse_profile(json.dumps(known), "a test").reader
    options = dict(part.split(": ") for part in text.strip("{}").split(", "))
    return made.model_copy(update={"reader": reader.model_copy(update={"each": None} | options)})


def orders() -> list[dict[str, object]]:
    found: list[dict[str, object]] = json.loads((CASE / "array.json").read_text())
    return found


@pytest.mark.parametrize("name", ["array.json", "lines.jsonl", "wrapped.json"])
@pytest.mark.parametrize("reader", ["{path: orders, each: line_items}", "{path: ORDERS, each: Line_Items}"])
def test_each_line_of_each_order_comes_in(lake: Lake, name: str, reader: str) -> None:
    _, report = ingest(lake, CASE / name, profile(reader))

    assert (report.lines_read, report.accepted) == (3, 3)
    assert rows_of(lake, LINES) == THREE


def test_a_document_over_many_lines_and_compressed_ones_are_read_too(lake: Lake, folder: Path) -> None:
    text = json.dumps({"meta": {"page": 1}, "data": {"orders": orders()}}, indent=2)
    (folder / "orders.json.gz").write_bytes(gzip.compress(text.encode()))

    ingest(lake, folder, profile("{path: data.orders, each: line_items}"))

    assert rows_of(lake, LINES) == THREE


def test_an_order_without_lines_is_refused_and_not_lost(lake: Lake, folder: Path) -> None:
    bare = [{"id": 3, "created_at": "2024-03-02", "customer": {"id": 9}, "line_items": []}]
    bare += [{"id": 4, "created_at": "2024-03-02", "customer": {"id": 9}}, "no object"]  # type: ignore[list-item]
    (folder / "orders.json").write_text(json.dumps([*orders(), *bare]))

    _, report = ingest(lake, folder, profile())

    assert report.lines_read == 6 == report.accepted + report.rejected
    assert reasons(lake) == {"no_lines": 2, "malformed_line": 1}
    assert rows_of(
        lake, "SELECT original->>'id' FROM raw.rejected_transactions WHERE reason = 'no_lines' ORDER BY 1"
    ) == [
        ("3",),
        ("4",),
    ]


def test_bare_names_are_the_lines_where_the_order_has_none_of_that_name(lake: Lake) -> None:
    inputs = {
        "oid": ["id"],
        "created": ["created_at"],
        "customer": ["customer.id"],
        "line": ["line_items.id"],
        "sku": ["sku"],
        "pieces": ["Quantity"],
        "price": ["price"],
    }

    ingest(lake, CASE / "array.json", profile(inputs=inputs))

    assert rows_of(lake, LINES) == THREE
    assert rows_of(lake, "SELECT line_id FROM raw.transactions ORDER BY 1") == [("1/11",), ("1/12",), ("2/21",)]


def test_paths_lead_into_objects_of_lines_and_into_lists(lake: Lake, folder: Path) -> None:
    order = {
        "id": 1,
        "created_at": "2024-03-01",
        "customer": {"id": 7, "emails": [{"is": "a@example.com"}]},
        "order": {
            "lines": [{"id": 1, "item": {"sku.code": "a"}, "quantity": 1, "price": {"amount": "4", "in": "EUR"}}]
        },
    }
    (folder / "orders.jsonl").write_text(json.dumps(order) + "\n")
    inputs = {
        "oid": ["id"],
        "created": ["created_at"],
        "customer": ["customer.emails.0.is"],
        "line": ["order.lines.id"],
        "sku": ["order.lines.item.sku.code"],
        "pieces": ["quantity"],
        "price": ["price.amount"],
    }

    ingest(lake, folder, profile("{each: order.lines}", inputs=inputs))

    assert rows_of(lake, LINES) == [("1", "a@example.com", "a", 4.0)]


def test_a_literal_key_with_dots_goes_before_a_path(lake: Lake, folder: Path) -> None:
    order = orders()[1] | {"customer.id": "literal"}
    (folder / "orders.json").write_text(json.dumps([order]))

    ingest(lake, folder, profile())

    assert rows_of(lake, LINES) == [("2", "literal", "a", 5.0)]


def test_a_document_that_is_read_without_its_path_says_where_its_records_may_be(lake: Lake) -> None:
    with pytest.raises(SourceError, match=r"The file has orders.*`reader: \{path: orders\}`"):
        ingest(
            lake,
            CASE / "wrapped.json",
            parse_profile((CASE / "profile.yaml").read_text().replace("unnest", "upper"), "p"),
        )


def test_a_list_that_no_record_has_is_told_with_those_that_there_are(lake: Lake) -> None:
    with pytest.raises(SourceError, match=r"No record of .* has the list 'items'.*Lists in it: line_items"):
        ingest(lake, CASE / "array.json", profile("{each: items}"))


def test_a_document_that_is_cut_off_is_an_error(lake: Lake, folder: Path) -> None:
    (folder / "wrapped.json").write_text((CASE / "wrapped.json").read_text()[:-20])

    with pytest.raises(SourceError, match="neither a complete JSON document nor an object per line"):
        ingest(lake, folder, profile("{path: orders, each: line_items}"))


def test_pushed_records_may_be_nested_too() -> None:
    made = profile(
        inputs={"customer": ["customer.id"], "sku": ["lines.0.sku"], "oid": ["id"]},
        columns={
            "line_id": "oid",
            "order_id": "oid",
            "customer_id": "customer",
            "product_id": "sku",
            "quantity": "1",
            "unit_price": "1",
            "ordered_at": f"'{NOW}'",
        },
    )
    records: list[dict[str, object]] = [
        {"id": 1, "Customer": {"ID": 7}, "lines": [{"sku": "a"}]},
        {"id": 2, "customer": None},
    ]

    assert as_table(made, records, [0, 1]).to_pydict() == {
        "file_id": [0, 1],
        "customer": ["7", None],
        "sku": ["a", None],
        "oid": ["1", "2"],
    }
    assert nested({"a/b": {"~": [1, 2]}}, "a/b.~.1") == 2
