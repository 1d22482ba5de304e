"""Tables that belong together: lines are joined with orders, customers and payments, and nothing is lost on the way."""

import json
from collections.abc import Sequence
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest

from segmentation.errors import SourceError
from segmentation.settings import Settings
from segmentation.sources.batch.products import load_products
from segmentation.sources.config import FilesSource
from segmentation.sources.dry_run import dry_run_files
from segmentation.sources.profiles.profile import Profile, load_profile, parse_profile, require_single_lines
from segmentation.sources.reading import read
from segmentation.warehouse import Commit, Lake
from segmentation_assets_tests.domain.sources.shop_files import (
    CASES,
    NOW,
    Row,
    content,
    ingest,
    load,
    reasons,
    rows_of,
    write,
    write_excel,
)

CASE = CASES / "11-tables-that-belong-together"
UNBALANCED = """
SELECT * FROM (SELECT source_file, sum(lines_read) AS read, sum(lines_accepted + lines_rejected) AS told,
    sum(lines_rejected) AS refused FROM raw.loads GROUP BY ALL)
FULL JOIN (SELECT source_file, count(*) AS kept FROM raw.rejected_transactions GROUP BY ALL) USING (source_file)
WHERE read <> told OR refused <> coalesce(kept, 0) OR read IS NULL
"""

ITEMS: list[dict[str, object]] = [
    {"order_id": "o1", "order_item_id": 1, "product_id": "p1", "price": 10.0},
    {"order_id": "o1", "order_item_id": 2, "product_id": "p2", "price": 20.0},
    {"order_id": "o2", "order_item_id": 1, "product_id": "p1", "price": 10.0},
]
ORDERS: list[dict[str, object]] = [
    {
        "order_id": f"o{n}",
        "customer_id": f"k{n}",
        "order_status": "ok",
        "order_purchase_timestamp": f"2024-03-0{n} 10:00",
    }
    for n in (1, 2)
]
CUSTOMERS: list[dict[str, object]] = [
    {"customer_id": "k1", "customer_unique_id": "u"},
    {"customer_id": "k2", "customer_unique_id": "u"},
]


def marketplace(**changes: object) -> Profile:
    """The profile of the case, changed; `None` leaves a key out."""
    known = load_profile(str(CASE / "tables.yaml")).model_dump(mode="json", exclude_defaults=True)
    return parse_profile(json.dumps({k: v for k, v in (known | changes).items() if v is not None}), "a test")


def tables(**changes: object) -> dict[str, Any]:
    """The tables of the case, changed, and others."""
    known: dict[str, Any] = marketplace().model_dump(mode="json", exclude_defaults=True)["tables"]
    return {name: table for name, table in (known | changes).items() if table is not None}


def shop(
    folder: Path, items: Sequence[Row] = ITEMS, orders: Sequence[Row] = ORDERS, customers: Sequence[Row] = CUSTOMERS
) -> Path:
    """A folder as the case's."""
    for name, rows in (("items", items), ("orders", orders), ("customers", customers)):
        write(folder / f"{name}.csv", rows)
    return folder


def test_lines_know_their_orders_and_these_their_customers(lake: Lake) -> None:
    registered, report = ingest(lake, CASE, marketplace())

    assert registered.paths == (str(CASE / "items.csv"),)
    assert (report.lines_read, report.accepted, report.rejected_by_reason) == (3, 2, {"canceled": 1})
    assert rows_of(lake, "SELECT customer_id, round(sum(amount), 2), count(*) FROM raw.transactions GROUP BY ALL") == [
        ("u1", 39.99, 2)
    ]
    assert rows_of(lake, UNBALANCED) == []
    read_of = rows_of(
        lake, "SELECT parse_filename(source_file), sum(lines_read)::INT FROM raw.loads GROUP BY 1 ORDER BY 1"
    )
    assert read_of == [("customers.csv", 2), ("items.csv", 3), ("orders.csv", 2), ("payments.csv", 2)]


def test_without_files_those_of_no_table_are_the_lines(lake: Lake, settings: Settings) -> None:
    found = dry_run_files(settings, str(CASE), marketplace(files=None), now=NOW)

    assert (len(found.paths), found.report.accepted, found.report.rejected) == (1, 2, 1)


def test_what_has_no_counterpart_is_told_and_kept(lake: Lake, tmp_path: Path) -> None:
    items = [*ITEMS, {"order_id": "o9", "order_item_id": 1, "product_id": "p1", "price": 10.0}]
    orders = [*ORDERS, ORDERS[0] | {"order_id": "o3"}, ORDERS[0] | {"order_id": ""}]
    profile = marketplace(tables=tables(payments=None))
    path = shop(tmp_path / "in", items, orders, CUSTOMERS[:1])

    _, report = ingest(lake, path, profile)

    assert report.rejected_by_reason == {"unmatched_row": 2, "unmatched_orders": 1, "unmatched_customers": 1}
    assert (report.lines_read, report.accepted) == (6, 2)
    assert reasons(lake) == report.rejected_by_reason
    assert rows_of(lake, UNBALANCED) == []
    unmatched = (
        "SELECT parse_filename(source_file), original->>'order_id' FROM raw.rejected_transactions WHERE reason = "
    )
    assert rows_of(lake, f"{unmatched} 'unmatched_row' ORDER BY ALL") == [("orders.csv", "o3"), ("orders.csv", None)]
    assert rows_of(lake, f"{unmatched} 'unmatched_orders'") == [("items.csv", "o9")]


def test_a_day_comes_out_the_same_alone_and_with_others(lake: Lake, tmp_path: Path) -> None:
    path = shop(tmp_path / "in", orders=[*ORDERS, ORDERS[0] | {"order_id": "o3"}])
    write(path / "2024/items.csv", [ITEMS[0] | {"order_id": "o3"}])
    for name in ("orders", "customers"):
        write(path / f"2024/{name}.csv", ORDERS[:1] if name == "orders" else CUSTOMERS)
    ingest(lake, path, marketplace(tables=tables(payments=None)))
    together = content(lake)

    for day in (2, 1):
        load(lake, date(2024, 3, day), date(2024, 3, day + 1))

    assert content(lake) == together
    assert rows_of(lake, "SELECT count(*) FROM raw.transactions") == [(4,)]
    assert reasons(lake) == {"repeated_in_other_file": 3}


def test_a_key_that_names_several_rows_is_an_error_with_the_fix(lake: Lake, tmp_path: Path) -> None:
    path = shop(tmp_path / "in", orders=[*ORDERS, ORDERS[0] | {"order_status": "canceled"}])

    with pytest.raises(
        SourceError, match=r"table orders .* 2 different rows of order_id 'o1'.*`combine`: first, last, sum"
    ):
        ingest(lake, path, marketplace(tables=tables(payments=None)))
    assert rows_of(lake, "FROM raw.source_files") == []

    twice = shop(tmp_path / "twice", orders=[*ORDERS, ORDERS[0]])
    _, report = ingest(lake, twice, marketplace(tables=tables(payments=None)))
    assert report.accepted == 3


@pytest.mark.parametrize(
    ("combine", "expected"),
    [("sum", 39.5), ("min", 9.5), ("max", 20.0), ("first", 20.0), ("last", 10.0), ("count", 3.0), ("list[1]", 20.0)],
)
def test_several_rows_of_a_key_are_combined(lake: Lake, tmp_path: Path, combine: str, expected: float) -> None:
    path = shop(tmp_path / "in")
    paid = [{"order_id": "o1", "payment_value": value} for value in ("20", "", "9.5", "10")]
    write(path / "payments.csv", [*paid, {"order_id": "o2", "payment_value": "1"}])
    kind, _, place = combine.partition("[")
    of_payments = {"payments": {"files": "payments.csv", "key": {"paid_order": "order_no"}, "inputs": {
        "paid_order": ["order_id"], "paid": {"headers": ["payment_value"], "combine": kind}}}}  # fmt: skip
    amount = {"amount": f"paid[{place}" if place else "paid"}

    ingest(lake, path, marketplace(tables=tables(**of_payments), columns=marketplace().columns | amount))

    assert rows_of(lake, "SELECT DISTINCT amount FROM raw.transactions WHERE order_id = 'o1'") == [(expected,)]


def test_a_sum_of_what_cant_be_read_is_none(lake: Lake, tmp_path: Path) -> None:
    path = shop(tmp_path / "in")
    write(path / "payments.csv", [{"order_id": "o1", "payment_value": value} for value in ("20", "ten")])

    ingest(
        lake,
        path,
        marketplace(columns={k: v for k, v in marketplace().columns.items() if k != "unit_price"} | {"amount": "paid"}),
    )

    assert reasons(lake) == {"missing_price": 3}


def test_exports_of_a_table_may_overlap(lake: Lake, tmp_path: Path) -> None:
    path = shop(tmp_path / "in", orders=ORDERS[:1])
    write(path / "orders-2.csv", ORDERS)
    payments = [{"order_id": "o1", "payment_value": "5"}, {"order_id": "o1", "payment_value": "5"}]
    write(path / "payments-1.csv", payments)
    write(path / "payments-2.csv", [*payments, {"order_id": "o2", "payment_value": "7"}])
    known = tables()
    for name in ("orders", "payments"):
        known[name] = known[name] | {"files": [f"{name}*.csv"]}

    ingest(lake, path, marketplace(tables=known, columns=marketplace().columns | {"amount": "paid"}))

    assert rows_of(lake, "SELECT DISTINCT order_id, amount FROM raw.transactions ORDER BY 1") == [
        ("o1", 10.0),
        ("o2", 7.0),
    ]
    assert reasons(lake) == {"repeated_in_other_file": 3}
    assert rows_of(lake, UNBALANCED) == []


def test_sheets_of_a_workbook_are_tables(lake: Lake, tmp_path: Path) -> None:
    write_excel(tmp_path / "in.xlsx", {"Orders": ORDERS, "Customers": CUSTOMERS, "Lines": ITEMS})
    sheets = {
        name: {k: v for k, v in table.items() if k != "files"} | {"sheet": name.title()}
        for name, table in tables(payments=None).items()
    }

    registered, report = ingest(
        lake, tmp_path / "in.xlsx", marketplace(files=None, tables=sheets, reader={"sheet": "Lines"})
    )

    assert (report.lines_read, report.accepted, registered.line_count) == (3, 3, 3)
    assert rows_of(lake, "SELECT count(*) FROM raw.source_files") == [(1,)]
    assert rows_of(lake, UNBALANCED) == []
    before = content(lake)
    load(lake, date(2024, 3, 2), date(2024, 3, 3))
    assert content(lake) == before


@pytest.mark.parametrize("suffix", [".json", ".parquet", ".xlsx"])
def test_tables_have_any_format_and_documents_several_of_them(lake: Lake, tmp_path: Path, suffix: str) -> None:
    path = shop(tmp_path / "in")
    for name, rows in (("orders", ORDERS), ("customers", CUSTOMERS)):
        (path / f"{name}.csv").unlink()
        write(path / f"{name}{suffix}", rows)
    known = tables(payments=None)
    for name in known:
        known[name] = known[name] | {"files": f"{name}.*"}

    ingest(lake, path, marketplace(tables=known))

    assert rows_of(lake, "SELECT count(*) FROM raw.transactions") == [(3,)]
    document = tmp_path / "export.json"
    document.write_text(json.dumps({"rows": ITEMS, "ref": {"orders": ORDERS, "customers": CUSTOMERS}}))
    inside = {
        name: {k: v for k, v in table.items() if k != "files"} | {"path": f"ref.{name}"}
        for name, table in known.items()
    }
    columns = {name: sql for name, sql in marketplace().columns.items() if name != "line_id"}
    one = marketplace(name="document", files=None, tables=inside, reader={"path": "rows"}, columns=columns)
    ingest(lake, document, one)
    assert rows_of(lake, "SELECT source, count(*) FROM raw.transactions GROUP BY 1 ORDER BY 1") == [
        ("document", 3),
        ("marketplace", 3),
    ]


def test_how_the_file_of_the_lines_is_laid_out_is_its_own_matter(lake: Lake, tmp_path: Path) -> None:
    path = shop(tmp_path / "in")
    rows = (path / "items.csv").read_text().splitlines()[1:]
    (path / "items.csv").write_text("\n".join(["Exported today", *rows]) + "\n")
    names = ["order_id", "order_item_id", "product_id", "price"]

    ingest(lake, path, marketplace(tables=tables(payments=None), reader={"names": names, "skip": 1}))

    assert rows_of(lake, "SELECT count(*) FROM raw.transactions") == [(3,)]


def test_rows_of_a_table_may_be_further_lines(lake: Lake, tmp_path: Path) -> None:
    path = shop(tmp_path / "in")
    write(
        path / "returns.csv", [{"Order": "o2", "Item": 1, "Product": "p1", "Refund": "10", "Day": "2024-03-05 09:00"}]
    )
    inputs = {"order_no": "Order", "position": "Item", "product": "Product", "price": "Refund", "returned": "Day"}
    returned = {"lines": True, "files": ["returns.csv"], "inputs": inputs}
    columns = marketplace().columns | {
        "line_id": "order_no || '/' || position || coalesce('/' || returned, '')",
        "quantity": "CASE WHEN returned IS NULL THEN 1 ELSE -1 END",
        "ordered_at": "coalesce(returned, bought)",
    }

    _, report = ingest(lake, path, marketplace(tables=tables(payments=None, returns=returned), columns=columns))

    assert (report.lines_read, report.accepted) == (4, 4)
    assert rows_of(lake, "SELECT customer_id, amount, day(ordered_at) FROM raw.transactions WHERE quantity < 0") == [
        ("u", -10.0, 5)
    ]
    assert rows_of(lake, UNBALANCED) == []


def test_a_table_that_has_changed_stops_the_load_until_it_is_ingested_again(lake: Lake, tmp_path: Path) -> None:
    path, profile = shop(tmp_path / "in"), marketplace(tables=tables(payments=None))
    ingest(lake, path, profile)
    later = [ORDERS[0], ORDERS[1] | {"order_purchase_timestamp": "2024-04-02 10:00", "order_status": "delivered"}]
    write(path / "orders.csv", later)

    with pytest.raises(SourceError, match=r"orders\.csv has changed since it was registered"):
        load(lake, date(2024, 3, 1), date(2024, 3, 2))
    registered, _ = ingest(lake, path / "items.csv", profile, now=NOW + timedelta(days=1))

    assert (registered.load_start, registered.load_end) == (date(2024, 3, 1), date(2024, 4, 3))
    assert rows_of(lake, "SELECT month(ordered_at), count(*) FROM raw.transactions GROUP BY 1 ORDER BY 1") == [
        (3, 2),
        (4, 1),
    ]
    (path / "orders.csv").rename(path / "orders-new.csv")
    moved = tables(payments=None)
    moved["orders"] = moved["orders"] | {"files": "orders*.csv"}
    ingest(lake, path, marketplace(tables=moved))
    assert rows_of(lake, "SELECT parse_filename(path) FROM raw.source_files WHERE first_day IS NULL ORDER BY 1") == [
        ("customers.csv",),
        ("orders-new.csv",),
    ]


def test_declared_sources_notice_a_table_that_has_changed(lake: Lake, settings: Settings, tmp_path: Path) -> None:
    path = shop(tmp_path / "in")
    profile = tmp_path / "p.yaml"
    profile.write_text(marketplace(tables=tables(payments=None)).to_yaml())
    source = FilesSource(name="shop", type="files", path=str(path), profile=str(profile))

    assert read(settings, source).files == (str(path / "items.csv"),)
    assert read(settings, source).files == ()
    write(path / "orders.csv", [*ORDERS, ORDERS[0] | {"order_id": "o3"}])
    found = read(settings, source)

    assert (found.files, found.first_day) == ((str(path / "items.csv"),), date(2024, 3, 1))
    assert read(settings, source).files == ()


def test_a_missing_table_is_named_unless_it_is_optional(lake: Lake, tmp_path: Path) -> None:
    path = shop(tmp_path / "in")
    (path / "customers.csv").unlink()

    with pytest.raises(
        SourceError,
        match=r"The table customers that the profile marketplace names is not there: tried .*in/customers\.csv",
    ):
        ingest(lake, path, marketplace())
    known = tables()
    known["customers"] = known["customers"] | {"optional": True}
    columns = marketplace().columns | {"customer_id": "coalesce(person, account)"}
    ingest(lake, path, marketplace(tables=known, columns=columns))
    assert rows_of(lake, "SELECT DISTINCT customer_id FROM raw.transactions ORDER BY 1") == [("k1",), ("k2",)]


def test_a_table_alone_is_no_file_of_lines(lake: Lake) -> None:
    with pytest.raises(
        SourceError, match=r"orders\.csv is no file of lines for the profile marketplace, which takes items\.csv"
    ):
        ingest(lake, CASE / "orders.csv", marketplace())


def test_products_are_named_by_their_table(lake: Lake, tmp_path: Path) -> None:
    path = shop(tmp_path / "in")
    write(path / "products.csv", [{"id": f"p{n}", "name": f"Product {n}"} for n in (1, 2, 3)])
    articles = {"files": ["products.csv"], "key": {"article": "product"}, "inputs": {"article": "id", "title": "name"}}

    ingest(lake, path, marketplace(tables=tables(payments=None, articles=articles), product_name="title"))
    load_products(lake, Commit("products"))

    assert rows_of(lake, "SELECT product_id, product_name FROM raw.products ORDER BY 1") == [
        ("p1", "Product 1"),
        ("p2", "Product 2"),
    ]
    assert reasons(lake) == {"unmatched_row": 1}


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ({"files": ["x.csv"], "inputs": {"a": "A"}}, "a table needs a `key`"),
        ({"key": {"a": "order_no"}, "inputs": {"a": "A"}}, "a table needs `files`"),
        ({"files": "x.csv", "key": {"b": "order_no"}, "inputs": {"a": "A"}}, "`key` names b, which the table's"),
        ({"files": "x.csv", "key": {"a": "nothing"}, "inputs": {"a": "A"}}, "no table before it has nothing"),
        ({"files": "x.csv", "key": {"price": "order_no"}, "inputs": {"price": "A"}}, "price is taken"),
        (
            {
                "files": "x.csv",
                "key": {"a": "order_no"},
                "inputs": {"a": "A", "b": "B", "c": {"headers": ["C"], "combine": "sum"}},
            },
            "either all inputs but the key have `combine` or none; see b",
        ),
    ],
)
def test_tables_that_dont_fit_are_refused_with_the_profile(table: dict[str, object], message: str) -> None:
    with pytest.raises(SourceError, match=message):
        marketplace(tables={"other": table})


def test_delivered_lines_cant_be_joined() -> None:
    with pytest.raises(SourceError, match=r"\(`tables`\), which only files can have.*`query:`"):
        require_single_lines(marketplace())
