"""Loading days: every line is accounted for, and the same files give the same rows however they are loaded."""

import shutil
from collections import Counter
from datetime import date, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as example_settings
from hypothesis import strategies as st

from segmentation.errors import SourceError
from segmentation.sources.batch.loading import LoadReport
from segmentation.sources.batch.products import load_products
from segmentation.sources.batch.registration import register
from segmentation.sources.profiles.profile import load_profile
from segmentation.sources.staging import Staging
from segmentation.warehouse import Commit, Lake
from segmentation.warehouse.customer_bucket import customer_bucket
from segmentation_assets_tests.conftest import BUCKETS
from segmentation_assets_tests.domain.sources.shop_files import (
    LINES,
    NOW,
    Row,
    changed,
    content,
    ingest,
    line,
    load,
    reasons,
    rows_of,
    write,
)

START, END = date(2024, 1, 1), date(2024, 1, 10)
LATER = datetime(2025, 2, 1)

UNBALANCED = """
SELECT * FROM raw.loads FULL JOIN (
    SELECT source, source_file, ordered_on, count(*) AS rejected FROM raw.rejected_transactions GROUP BY ALL
) AS r USING (source, source_file, ordered_on)
WHERE r.rejected IS NOT NULL AND loads.lines_rejected IS NOT NULL AND r.rejected != loads.lines_rejected
    OR lines_read != lines_accepted + lines_rejected
"""


def without_ids(rows: list[Row]) -> list[Row]:
    return [{name: value for name, value in row.items() if name != "line_id"} for row in rows]


def line_ids(lake: Lake) -> list[object]:
    return [row[0] for row in rows_of(lake, "SELECT line_id FROM raw.transactions ORDER BY 1")]


messy_rows = st.lists(
    st.fixed_dictionaries(
        {
            "line_id": st.sampled_from(["1", "2", "3", "4", "5", "6", "7"]),
            "order_id": st.sampled_from(["A", "B", " ", ""]),
            "customer_id": st.sampled_from(["ann", " bob ", "12.0", "", "Zoë"]),
            "product_id": st.sampled_from(["p", "q", ""]),
            "quantity": st.sampled_from(["1", "-2", "0", "x", "", "inf", "1,000"]),
            "unit_price": st.sampled_from(["2.5", "0", "-1", "nan", "", "£3"]),
            "ordered_at": st.sampled_from(["2024-01-01 10:00", "1/2/2024 9:15", "2024-13-01", "", "1900-01-01"]),
        }
    ),
    min_size=10,
    max_size=60,
)


def expected_reason(row: dict[str, str]) -> str | None:
    """The contract's rules, written a second time, plainly."""
    number = {"1": 1.0, "-2": -2.0, "0": 0.0, "inf": float("inf"), "1,000": 1000.0}
    price = {"2.5": 2.5, "0": 0.0, "-1": -1.0, "£3": 3.0}  # "nan" is how pandas writes nothing
    for name, reason in (("order_id", "order"), ("customer_id", "customer"), ("product_id", "product")):
        if not row[name].strip():
            return f"missing_{reason}"
    if row["ordered_at"] in ("2024-13-01", "", "1900-01-01"):
        return "implausible_date" if row["ordered_at"].startswith("19") else "unparsable_date"
    if row["quantity"] not in number:
        return "missing_quantity"
    if row["quantity"] == "0":
        return "zero_quantity"
    if row["unit_price"] not in price:
        return "missing_price"
    if row["quantity"] == "inf":
        return "not_finite"
    return "negative_price" if row["unit_price"] == "-1" else None


@example_settings(max_examples=8, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(rows=messy_rows)
def test_every_line_is_accepted_or_rejected_for_the_reason_that_applies(
    lake: Lake, tmp_path: Path, rows: list[dict[str, str]]
) -> None:
    day = "2024-01-01 10:00"
    rows = [{**row, "line_id": f"{row['line_id']} {row['ordered_at']}"} for row in rows]  # no id on two days
    plain = [line(number, ordered_at=day) for number in range(3 * len(rows))]  # or the file would be refused
    path = write(tmp_path / "messy.csv", [*rows, *plain])
    expected = Counter(reason for row in rows if (reason := expected_reason(row)))
    good = [row for row in rows if expected_reason(row) is None]
    distinct = {(row["line_id"], row["ordered_at"]) for row in good}
    expected["duplicate_line_id"] = len(good) - len(distinct)

    _, report = ingest(lake, path)

    assert report.lines_read == 4 * len(rows) == report.accepted + report.rejected
    assert report.rejected_by_reason == {reason: count for reason, count in expected.items() if count}
    assert reasons(lake) == report.rejected_by_reason
    assert rows_of(lake, "SELECT count(*) FROM raw.transactions") == [(report.accepted,)]
    assert rows_of(lake, "SELECT sum(lines_read) FROM raw.loads") == [(report.lines_read,)]
    assert rows_of(lake, UNBALANCED) == []


def test_without_sources_nothing_is_written(lake: Lake) -> None:
    before = lake.version()

    assert load(lake, START, END) == LoadReport()
    assert load_products(lake, Commit("products")) == 0
    assert lake.version() == before


def test_the_report_says_what_was_done_and_the_snapshot_why(lake: Lake, tmp_path: Path) -> None:
    _, report = ingest(lake, write(tmp_path / "orders.csv", LINES))

    assert report == LoadReport(4, 3, {"missing_customer": 1}, 3, ("canonical",))
    assert report.rejected == 1
    [(message,)] = rows_of(
        lake, "SELECT commit_message FROM ducklake_snapshots('lake') ORDER BY snapshot_id DESC LIMIT 1"
    )
    assert message == "load"


def test_a_line_knows_its_source_and_when_its_file_was_registered(lake: Lake, tmp_path: Path) -> None:
    ingest(lake, write(tmp_path / "orders.csv", LINES), source="till")

    assert rows_of(lake, "SELECT DISTINCT source, ingested_at FROM raw.transactions") == [("till", NOW)]
    assert rows_of(lake, "SELECT source, ingested_at FROM raw.rejected_transactions") == [("till", NOW)]


def test_the_stored_bucket_is_the_customers(lake: Lake, tmp_path: Path) -> None:
    ingest(lake, write(tmp_path / "orders.parquet", [line(n, customer_id=f"käufer {n}") for n in range(50)]))

    stored = rows_of(lake, "SELECT customer_id, customer_bucket FROM raw.transactions")
    assert dict(stored) == {f"käufer {n}": customer_bucket(f"käufer {n}", BUCKETS) for n in range(50)}  # type: ignore[arg-type]


@pytest.mark.parametrize("suffix", [".csv", ".parquet"])
def test_loading_again_gives_the_same_rows(lake: Lake, tmp_path: Path, suffix: str) -> None:
    rows = [line(n) for n in range(40)] + [line(50, customer_id=""), line(51, ordered_at="never")]
    registration, first = ingest(lake, write(tmp_path / f"orders{suffix}", without_ids(rows)))
    before = content(lake)

    assert load(lake, date(2024, 1, 3), date(2024, 1, 4)).days == 1
    assert content(lake) == before
    assert load(lake, registration.load_start, registration.load_end) == first
    assert content(lake) == before


@pytest.mark.parametrize("with_ids", [True, False])
def test_days_loaded_one_by_one_equal_the_range_in_one_go(lake: Lake, tmp_path: Path, with_ids: bool) -> None:
    rows = [line(n, ordered_at=f"2024-01-0{1 + n % 4} 12:00:00") for n in range(20)]
    rows += [rows[3], rows[3], rows[4], {**rows[3], "quantity": 7}, line(44, ordered_at="2024-01-04 09:00:00")]
    rows += [line(40, ordered_at=""), line(40, ordered_at=""), line(41, customer_id="")]
    rows += [line(42, ordered_at="2024-01-02 23:59:59.999999"), line(43, ordered_at="2024-01-03 00:00:00")]
    write(tmp_path / "in/a.parquet", rows[:10] if with_ids else without_ids(rows[:10]))
    write(tmp_path / "in/b.csv", rows[10:] if with_ids else without_ids(rows[10:]))
    _, report = ingest(lake, tmp_path / "in")
    at_once = content(lake)

    for day in (4, 3, 2, 1):
        load(lake, date(2024, 1, day), date(2024, 1, day) + timedelta(days=1))

    assert content(lake) == at_once
    assert report.lines_read == len(rows) == report.accepted + report.rejected


def test_a_day_that_the_files_no_longer_have_is_emptied(lake: Lake, tmp_path: Path) -> None:
    path = write(tmp_path / "orders.csv", LINES)
    ingest(lake, path)
    write(path, LINES[:2])

    registration, _ = ingest(lake, path)

    assert (registration.load_start, registration.load_end) == (date(2024, 1, 1), date(2024, 1, 4))
    assert line_ids(lake) == ["1", "2"]
    assert rows_of(lake, "SELECT count(*) FROM raw.rejected_transactions") == [(0,)]
    assert rows_of(lake, "SELECT sum(lines_read) FROM raw.loads") == [(2,)]


def test_a_late_file_for_a_loaded_day_adds_its_lines(lake: Lake, tmp_path: Path) -> None:
    ingest(lake, write(tmp_path / "monday.csv", [line(1), line(10)]))

    registration, report = ingest(lake, write(tmp_path / "late.csv", [line(19), line(10)]), now=LATER)

    assert (registration.load_start, registration.load_end) == (date(2024, 1, 2), date(2024, 1, 3))
    assert report.rejected_by_reason == {"duplicate_line_id": 1}
    assert rows_of(lake, "SELECT line_id, ingested_at FROM raw.transactions ORDER BY 1") == [
        ("L1", NOW),
        ("L10", NOW),
        ("L19", LATER),
    ]


def test_two_sources_of_the_same_day_do_not_disturb_each_other(lake: Lake, tmp_path: Path) -> None:
    rows = [line(1), line(1, quantity=9), line(2, customer_id="")]
    ingest(lake, write(tmp_path / "web/orders.csv", rows), source="web")
    alone = rows_of(lake, "SELECT * FROM raw.transactions WHERE source = 'web'")

    others = [line(10), line(10, quantity=9), line(11, customer_id=""), line(3)]
    _, report = ingest(lake, write(tmp_path / "till/orders.csv", others), source="till")

    assert (report.sources, report.lines_read, report.accepted) == (("till", "web"), 7, 3)
    assert rows_of(lake, "SELECT * FROM raw.transactions WHERE source = 'web'") == alone
    counts = rows_of(lake, "SELECT source, sum(lines_read) FROM raw.loads GROUP BY 1 ORDER BY 1")
    assert counts == [("till", 4), ("web", 3)]


def test_equal_lines_of_two_sources_have_different_ids(lake: Lake, tmp_path: Path) -> None:
    path = write(tmp_path / "orders.csv", without_ids([line(1)]))
    ingest(lake, path, source="web")
    ingest(lake, path, source="till")

    assert len(set(line_ids(lake))) == 2


def test_rows_of_sources_that_are_not_registered_stay(lake: Lake, tmp_path: Path) -> None:
    path = write(tmp_path / "orders.csv", LINES)
    ingest(lake, path)
    with lake.cursor() as con:
        changed_line = "SELECT * REPLACE ('stream' AS source, 'S1' AS line_id) FROM raw.transactions LIMIT 1"
        stranger = f"INSERT INTO raw.transactions {changed_line}"
        lake.transaction(con, Commit("stream"), lambda c: c.execute(stranger))

    ingest(lake, path)

    assert rows_of(lake, "SELECT count(*) FROM raw.transactions WHERE source = 'stream'") == [(1,)]


def test_lines_without_ids_get_the_same_ones_wherever_the_file_lies(lake: Lake, tmp_path: Path) -> None:
    rows = without_ids([line(n) for n in range(20)] + [line(3), line(3), line(9, ordered_at="?")])
    path = write(tmp_path / "here/orders.csv", rows)
    ingest(lake, path)
    before = rows_of(lake, "SELECT * FROM raw.transactions ORDER BY ALL")
    (tmp_path / "there").mkdir()
    moved = shutil.move(path, tmp_path / "there/renamed.csv")

    ingest(lake, moved, now=LATER)

    assert rows_of(lake, "SELECT * FROM raw.transactions ORDER BY ALL") == before
    assert len(set(line_ids(lake))) == 22
    renamed = [(str(tmp_path / "there/renamed.csv"),)]
    assert rows_of(lake, "SELECT path FROM raw.source_files") == renamed
    assert rows_of(lake, "SELECT source_file FROM raw.rejected_transactions") == renamed
    assert rows_of(lake, "SELECT DISTINCT source_file FROM raw.loads") == renamed


def test_lines_that_differ_in_where_a_value_stands_have_different_ids(lake: Lake, tmp_path: Path) -> None:
    rows = without_ids([line(1, country="web", channel=""), line(1, country="", channel="web")])

    ingest(lake, write(tmp_path / "orders.csv", rows))

    assert len(set(line_ids(lake))) == 2


def test_ids_of_lines_do_not_depend_on_the_files_order_or_number(lake: Lake, tmp_path: Path) -> None:
    rows = without_ids([line(n) for n in range(20)] + [line(3)])
    ingest(lake, write(tmp_path / "one.csv", rows))
    whole = line_ids(lake)
    (tmp_path / "one.csv").unlink()
    write(tmp_path / "parts/2.csv", [*rows[:7], rows[-1]])
    write(tmp_path / "parts/1.csv", rows[7:-1][::-1])
    with lake.cursor() as con:
        lake.transaction(con, Commit("forget"), lambda c: c.execute("DELETE FROM raw.source_files"))

    ingest(lake, tmp_path / "parts")

    assert line_ids(lake) == whole


def test_a_repeated_line_is_a_duplicate_only_if_the_profile_says_so(lake: Lake, tmp_path: Path) -> None:
    rows = without_ids([line(1), line(1), line(1, quantity=9)])
    path = write(tmp_path / "orders.csv", rows)
    ingest(lake, path)
    assert len(line_ids(lake)) == 3

    ingest(lake, path, changed("canonical", rules=[{"name": "said_twice", "reject": "is_duplicate"}]))

    assert len(line_ids(lake)) == 2
    assert reasons(lake) == {"said_twice": 1}


def test_a_line_id_is_taken_by_the_first_line_that_is_any_good(lake: Lake, tmp_path: Path) -> None:
    rows = [line(1, unit_price=""), line(1), line(1, quantity=9)]

    ingest(lake, write(tmp_path / "orders.csv", rows))

    assert reasons(lake) == {"missing_price": 1, "duplicate_line_id": 1}
    assert line_ids(lake) == ["L1"]


def test_an_id_that_is_taken_on_another_day_or_by_another_source_stops_the_load(lake: Lake, tmp_path: Path) -> None:
    twice = [line(1), line(1, ordered_at="2024-01-07 00:00:00")]
    with pytest.raises(SourceError, match="line_id 'L1' occurs twice: on 2024-01-02 .* and on 2024-01-07"):
        ingest(lake, write(tmp_path / "twice/orders.csv", twice))
    assert line_ids(lake) == []
    ingest(lake, write(tmp_path / "twice/orders.csv", [line(1)]))
    with pytest.raises(SourceError, match="on 2024-01-02 in source canonical and on 2024-01-02 in source web"):
        ingest(lake, write(tmp_path / "web/orders.csv", [line(1)]), source="web")
    assert line_ids(lake) == ["L1"]


def test_a_file_registered_while_its_days_were_read_is_loaded_with_them(
    lake: Lake, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = register(lake, str(write(tmp_path / "a.csv", [line(1)])), load_profile("canonical"), now=NOW)
    deduplicate, late = Staging.deduplicate, write(tmp_path / "b.csv", [line(10)])

    def deduplicate_late(staging: Staging) -> None:
        deduplicate(staging)
        register(lake, str(late), load_profile("canonical"), now=NOW)

    monkeypatch.setattr(Staging, "deduplicate", deduplicate_late)
    load(lake, first.load_start, first.load_end)
    assert line_ids(lake) == ["L1", "L10"]


def test_days_that_a_killed_run_left_behind_are_asked_for_again(lake: Lake, tmp_path: Path) -> None:
    path = write(tmp_path / "orders.csv", [line(n) for n in range(9)])
    ingest(lake, path)
    write(path, [line(3)])
    register(lake, str(path), load_profile("canonical"), now=NOW)

    ingest(lake, path)

    assert line_ids(lake) == ["L3"]


def test_lines_dated_ahead_are_refused(lake: Lake, tmp_path: Path) -> None:
    ingest(lake, write(tmp_path / "orders.csv", [line(1), line(2, ordered_at="2205-03-10 10:00:00")]))
    assert reasons(lake) == {"implausible_date": 1}


def test_lines_that_lack_an_id_where_others_have_one_get_one(lake: Lake, tmp_path: Path) -> None:
    rows = [line(1), *(line(n, line_id="") for n in (2, 11, 2))]

    _, report = ingest(lake, write(tmp_path / "orders.csv", rows))

    assert report.accepted == 4
    assert len(set(line_ids(lake))) == 4


def test_rules_see_contract_columns_and_inputs_in_their_order(lake: Lake, tmp_path: Path) -> None:
    rules = [
        {"name": "wholesale", "reject": "amount > 100"},
        {"name": "shouting", "reject": "input.product_id = upper(input.product_id)"},
    ]
    rows = [line(1, quantity=100, product_id="LOUD"), line(2, product_id="LOUD"), line(3)]

    ingest(lake, write(tmp_path / "orders.csv", rows), changed("canonical", rules=rules))

    assert reasons(lake) == {"wholesale": 1, "shouting": 1}
    assert line_ids(lake) == ["L3"]


def test_amounts_default_to_quantity_times_price_less_discount(lake: Lake, tmp_path: Path) -> None:
    rows = [
        line(1, quantity=3, unit_price=5, discount="", amount=""),
        line(2, quantity=3, unit_price=5, discount=1, amount=""),
        line(3, quantity=3, unit_price=5, discount=1, amount=13),
        line(4, quantity=3, unit_price=5, discount=1, amount=-13),
    ]

    ingest(lake, write(tmp_path / "orders.csv", rows))

    assert rows_of(lake, "SELECT line_id, amount, discount FROM raw.transactions ORDER BY 1") == [
        ("L1", 15.0, 0.0),
        ("L2", 14.0, 1.0),
        ("L3", 13.0, 1.0),
    ]
    assert reasons(lake) == {"sign_mismatch": 1}


def test_a_profile_may_give_the_amount_instead_of_the_price(lake: Lake, tmp_path: Path) -> None:
    columns = {name: name for name in ("order_id", "customer_id", "product_id", "quantity", "amount", "ordered_at")}
    profile = changed("canonical", columns={**columns, "discount": "2"})

    ingest(lake, write(tmp_path / "orders.csv", [line(1, quantity=4, amount=10)]), profile)

    assert rows_of(lake, "SELECT unit_price, amount, discount FROM raw.transactions") == [(3.0, 10.0, 2.0)]


def test_days_are_days_in_utc(lake: Lake, tmp_path: Path) -> None:
    profile = changed("canonical", timezone="America/New_York")

    registration, _ = ingest(lake, write(tmp_path / "o.csv", [line(1, ordered_at="2024-01-31 20:00:00")]), profile)

    assert (registration.first_day, registration.last_day) == (date(2024, 2, 1), date(2024, 2, 1))
    assert rows_of(lake, "SELECT ordered_at FROM raw.transactions") == [(datetime(2024, 2, 1, 1),)]


def test_undated_lines_come_along_once_with_any_day_of_their_file(lake: Lake, tmp_path: Path) -> None:
    path = write(tmp_path / "orders.csv", [line(1), line(5), line(6, ordered_at="?")])
    register(lake, str(path), changed("canonical"), now=NOW)

    for day in (2, 6, 2):
        report = load(lake, date(2024, 1, day), date(2024, 1, day + 1))
        assert report.rejected_by_reason == {"unparsable_date": 1}

    assert rows_of(lake, "SELECT ordered_on, lines_read FROM raw.loads ORDER BY 1") == [
        (date(2024, 1, 2), 1),
        (date(2024, 1, 6), 1),
        (None, 1),
    ]
    assert reasons(lake) == {"unparsable_date": 1}


def test_an_undated_line_is_judged_the_same_with_other_files_and_without(lake: Lake, tmp_path: Path) -> None:
    profile = changed("canonical", rules=[{"name": "said_twice", "reject": "is_duplicate"}])
    undated = line(9, ordered_at="?")
    write(tmp_path / "in/1.csv", without_ids([line(1), undated]))
    write(tmp_path / "in/2.csv", without_ids([line(2), undated, undated]))
    ingest(lake, tmp_path / "in", profile)
    together = content(lake)

    load(lake, date(2024, 1, 3), date(2024, 1, 4))

    assert content(lake) == together
    assert reasons(lake) == {"unparsable_date": 2, "said_twice": 1}


def test_a_file_that_has_gone_is_named_and_the_lake_stays(lake: Lake, tmp_path: Path) -> None:
    path = write(tmp_path / "orders.csv", LINES)
    ingest(lake, path)
    path.unlink()
    before = lake.version()

    with pytest.raises(SourceError, match=r"orders\.csv is registered but not there any more\. Put it back"):
        load(lake, START, END)

    assert lake.version() == before
    assert load(lake, date(2030, 1, 1), date(2030, 1, 2)).lines_read == 0  # other days don't need the file


def test_a_file_that_has_changed_since_has_to_be_registered_again(lake: Lake, tmp_path: Path) -> None:
    path = write(tmp_path / "orders.csv", LINES)
    ingest(lake, path)
    write(path, [*LINES, line(9)])

    with pytest.raises(SourceError, match=r"orders\.csv has changed since it was registered\. Ingest it again"):
        load(lake, START, END)

    assert ingest(lake, path)[1].accepted == 4


def test_the_product_list_gives_categories_and_the_products(lake: Lake, tmp_path: Path) -> None:
    listed = [
        {"product_id": "p1", "product_name": "Ball", "category": "toys", "department": "play", "brand": "B"},
        {"product_id": "p1", "product_name": "Ball", "category": "", "department": "", "brand": ""},
        {"product_id": "p3", "product_name": "Never sold", "category": "misc", "department": "", "brand": ""},
        {"product_id": "", "product_name": "Nothing", "category": "misc", "department": "", "brand": ""},
    ]
    write(tmp_path / "products.csv", listed)
    rows = [*LINES[:3], {**LINES[2], "line_id": "5"}]
    path = write(
        tmp_path / "in/orders.csv", [{**row, "category": "own" if n == 3 else ""} for n, row in enumerate(rows)]
    )

    ingest(lake, path)

    assert load_products(lake, Commit("products")) == 2
    assert rows_of(lake, "SELECT line_id, category FROM raw.transactions ORDER BY 1") == [
        ("1", "toys"),
        ("2", None),
        ("3", "toys"),
        ("5", "own"),
    ]
    assert rows_of(lake, "SELECT * FROM raw.products ORDER BY 1") == [
        ("p1", "Ball", "toys", "play", "B", "canonical"),
        ("p3", "Never sold", "misc", None, None, "canonical"),
    ]


def test_without_a_list_products_are_those_of_accepted_lines(lake: Lake, tmp_path: Path) -> None:
    rows = [
        line(n, product_id=product, category=category, customer_id=customer, country=name)
        for n, (product, category, customer, name) in enumerate(
            [
                ("p", "b", "c", "Ball"),
                ("p", "a", "c", "ball"),
                ("p", "", "c", "Ball"),
                ("p", "", "c", "Ball"),
                ("q", "", "c", ""),
                ("refused", "x", "", "Refused"),
            ]
        )
    ]
    named = changed("canonical", product_name="country")

    ingest(lake, write(tmp_path / "orders.csv", rows), named)

    assert load_products(lake, Commit("products")) == 2
    assert rows_of(lake, "SELECT * FROM raw.products ORDER BY 1") == [
        ("p", "Ball", "a", None, None, "canonical"),
        ("q", None, None, None, None, "canonical"),
    ]


def test_a_product_of_several_sources_is_listed_once(lake: Lake, tmp_path: Path) -> None:
    ingest(lake, write(tmp_path / "a/orders.csv", LINES), source="a")
    write(tmp_path / "b/products.csv", [{"product_id": "p1", "category": "toys"}])
    ingest(lake, write(tmp_path / "b/orders.csv", [{**LINES[0], "line_id": "b1"}]), source="b")

    load_products(lake, Commit("products"))

    assert rows_of(lake, "SELECT product_id, category, source FROM raw.products ORDER BY 1") == [
        ("p1", "toys", "b"),
        ("p2", None, "a"),
    ]


def test_a_quantity_beyond_what_features_can_add_up_is_refused(lake: Lake, tmp_path: Path) -> None:
    lines = [line(1, quantity="99999999999", unit_price="0.1"), line(2, quantity="-100000000000", unit_price="0.1")]
    _, report = ingest(lake, write(tmp_path / "orders.csv", lines))
    assert report.rejected_by_reason == {"quantity_out_of_range": 1}
    assert rows_of(lake, "SELECT quantity FROM raw.transactions") == [(99999999999.0,)]
