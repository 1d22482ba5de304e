"""Columns are diagnosed as wholes: what their lines say about how they must be read, before any of them is loaded."""

from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as example_settings
from hypothesis import strategies as st

from segmentation.errors import SourceError
from segmentation.sources.batch.registration import register
from segmentation.sources.dry_run import dry_run_on, facts_of
from segmentation.sources.rules.advice import advice_for
from segmentation.warehouse import Lake
from segmentation_assets_tests.domain.sources.shop_files import NOW, changed, ingest, line, reasons, rows_of, write


def _lines(column: str, values: Sequence[object]) -> list[dict[str, object]]:
    return [{**line(number), column: value} for number, value in enumerate(values)]


def _stop(lake: Lake, path: Path, **reader: object) -> str:
    """Why files aren't loaded; they are not registered either, and a dry run says the same."""
    profile = changed("canonical", reader=reader)
    with pytest.raises(SourceError) as told:
        register(lake, str(path), profile, now=NOW)
    assert rows_of(lake, "FROM raw.source_files") == []
    found = dry_run_on(lake, str(path), profile, now=NOW)
    assert all(stop in str(told.value) for stop in found.stops)
    assert facts_of(found)["warnings"] == [*found.stops, *found.warnings]
    return str(told.value)


@pytest.mark.parametrize(
    ("days", "reader", "told"),
    [
        (["03/01/2024", "05/02/2024", "13/03/2024", "28/04/2024"], {}, ["dates: day_first", "'%d/%m/%Y')", "2 of 4"]),
        (["3/1/24 10:00", "13/3/24 10:15"], {}, ["dates: day_first", "'%d/%m/%y %H:%M')"]),
        (["01.03.2024", "03.13.2024"], {}, ["dates: month_first"]),
        (["03/01/2024", "03/13/2024"], {"dates": "day_first"}, ["dates: month_first"]),
        (["03/01/2024", "03/13/2024", "13/03/2024"], {}, ["mixes two orders"]),
    ],
)
def test_days_and_months_that_are_swapped_stop_a_load(
    lake: Lake, tmp_path: Path, days: list[str], reader: dict[str, object], told: list[str]
) -> None:
    path = write(tmp_path / "orders.csv", _lines("ordered_at", days))
    message = _stop(lake, path, **reader)
    assert [part for part in told if part not in message] == []


def test_the_setting_that_is_demanded_makes_them_right(lake: Lake, tmp_path: Path) -> None:
    path = write(tmp_path / "orders.csv", _lines("ordered_at", ["03/01/2024", "05/02/2024", "13/03/2024"]))
    ingest(lake, path, changed("canonical", reader={"dates": "day_first"}))
    days = rows_of(lake, "SELECT ordered_at FROM raw.transactions ORDER BY ordered_at")
    assert days == [(datetime(2024, 1, 3),), (datetime(2024, 2, 5),), (datetime(2024, 3, 13),)]


def test_an_expression_that_names_the_format_is_believed(lake: Lake, tmp_path: Path) -> None:
    path = write(tmp_path / "orders.csv", _lines("ordered_at", ["03/01/2024", "13/03/2024"]))
    profile = changed("canonical")
    columns = {**profile.columns, "ordered_at": "try_strptime(ordered_at, '%d/%m/%Y')"}
    ingest(lake, path, changed("canonical", columns=columns))
    assert rows_of(lake, "SELECT count(*) FROM raw.transactions") == [(2,)]


def test_texts_inside_of_expressions_are_looked_at_too(lake: Lake, tmp_path: Path) -> None:
    path = write(tmp_path / "orders.csv", _lines("ordered_at", ["03/01/2024", "13/03/2024"]))
    columns = {**changed("canonical").columns, "ordered_at": "as_timestamp(ordered_at || ' ' || '10:00')"}
    with pytest.raises(SourceError, match="dates: day_first"):
        register(lake, str(path), changed("canonical", columns=columns), now=NOW)


def test_what_was_assumed_is_told(lake: Lake, tmp_path: Path) -> None:
    path = write(tmp_path / "orders.csv", _lines("ordered_at", ["03/01/2024", "05/02/2024"]))
    found = dry_run_on(lake, str(path), changed("canonical"), now=NOW)
    assert found.stops == ()
    assert "the month first is assumed" in "".join(found.warnings)
    registration, _ = ingest(lake, path)
    assert "the month first is assumed" in "".join(registration.notes)


def test_one_wrong_date_among_many_is_only_refused(lake: Lake, tmp_path: Path) -> None:
    days = [f"{1 + number % 12}/{1 + number % 28}/2024" for number in range(400)]
    ingest(lake, write(tmp_path / "orders.csv", _lines("ordered_at", [*days, "31/12/2024"])))
    assert reasons(lake) == {"unparsable_date": 1}


@pytest.mark.parametrize(
    ("prices", "reader", "told"),
    [
        (["12,50", "1,234", "7,90"], {}, ['decimal: ","', "2 of 3", "'1,234' would be read as thousands"]),
        (["0,500", "1,250", "12,000"], {}, ['decimal: ","']),
        (["12,5 €", "3,99 €"], {}, ['decimal: ","']),
        (["12.50", "7.90", "1.234"], {"decimal": ","}, ['decimal: "."']),
    ],
)
def test_a_decimal_mark_that_is_another_stops_a_load(
    lake: Lake, tmp_path: Path, prices: list[str], reader: dict[str, object], told: list[str]
) -> None:
    message = _stop(lake, write(tmp_path / "orders.csv", _lines("unit_price", prices)), **reader)
    assert [part for part in told if part not in message] == []


def test_grouped_numbers_are_no_decimal_commas(lake: Lake, tmp_path: Path) -> None:
    prices = ["1,234.50", "1,234", "12.50", "1,234,567", "₹12,34,567.00"]
    found = dry_run_on(
        lake, str(write(tmp_path / "a.csv", _lines("unit_price", prices))), changed("canonical"), now=NOW
    )
    assert (found.stops, found.report.accepted) == ((), 5)


def test_many_values_that_cannot_be_read_stop_a_load(lake: Lake, tmp_path: Path) -> None:
    days = ["31/05/2021 10h15"] * 40 + ["2021-05-13"] * 60
    path = write(tmp_path / "orders.csv", _lines("ordered_at", days))
    message = _stop(lake, path)
    assert "40 of 100 values of ordered_at (40%)" in message
    assert "try_strptime(ordered_at, '%d/%m/%Y %Hh%M')" in message
    assert "SEGMENTATION_MAX_UNREADABLE_SHARE" in message

    with Lake(lake.settings.model_copy(update={"max_unreadable_share": 1})) as patient:
        ingest(patient, path)
    assert reasons(lake) == {"unparsable_date": 40}


def test_empty_values_are_not_unreadable_ones(lake: Lake, tmp_path: Path) -> None:
    path = write(tmp_path / "orders.csv", _lines("quantity", ["NULL", "", "n/a", "-"] * 20 + ["1"] * 20))
    ingest(lake, path)
    assert reasons(lake) == {"missing_quantity": 80}


def test_a_file_without_any_readable_date_names_what_its_dates_need(lake: Lake, tmp_path: Path) -> None:
    path = write(tmp_path / "orders.csv", _lines("ordered_at", ["05-06-2021", "07-08-2021"]))
    with pytest.raises(SourceError, match=r"None of the 2 lines.*`reader: \{dates: day_first\}` or"):
        register(lake, str(path), changed("canonical"), now=NOW)


@pytest.mark.parametrize(
    ("column", "values", "told"),
    [
        ("customer_id", ["5.01E+08", "5.02E+08"], "a spreadsheet has shortened long numbers"),
        ("customer_id", ["Ann@example.com", "ann@example.com"], "lower(…)"),
        ("customer_id", ["00017", "17"], "leading zeros"),
        ("customer_id", ["guest"] * 4 + ["c1"] * 3 + ["c2"], "The customer 'guest' has 4 of 8 lines (50%)"),
        ("customer_id", ["c1"] * 30 + [f"d{number}" for number in range(70)], "The customer 'c1' has 30 of 100 lines"),
        ("product_id", ["p1"] * 12, "product_id is the same on all 12 lines"),
        ("country", [""] * 12, "country is empty on all lines"),
        ("ordered_at", ["1970-01-01", "2024-01-01"], "1 lines have a date before SEGMENTATION_EARLIEST_DAY"),
    ],
)
def test_a_dry_run_names_what_is_odd(lake: Lake, tmp_path: Path, column: str, values: list[str], told: str) -> None:
    path = write(tmp_path / "orders.csv", _lines(column, values))
    found = dry_run_on(lake, str(path), changed("canonical"), now=NOW)
    assert told in "\n".join(found.warnings)


def test_usual_lines_give_no_warning(lake: Lake, tmp_path: Path) -> None:
    path = write(tmp_path / "orders.csv", [{**line(n), "customer_id": f"c{n}", "unit_price": n} for n in range(100)])
    found = dry_run_on(lake, str(path), changed("canonical"), now=NOW)
    assert (found.stops, found.warnings) == ((), ())


@pytest.mark.parametrize(
    ("kind", "value", "advice"),
    [
        ("date", "31/05/2021 10h15", "`ordered_at: try_strptime(day, '%d/%m/%Y %Hh%M')`"),
        ("date", "05-06-2021", "`reader: {dates: day_first}` or `reader: {dates: month_first}`"),
        ("date", "13/03/2024 5:00 PM", "'%d/%m/%Y %I:%M %p'"),
        ("date", "2021-13-05", "'%Y-%d-%m'"),
        ("date", "2021-05-13 11:01:12 CST", "regexp_replace(day, ' CST$', '')"),
        ("date", "202105", "'%Y%m'"),
        ("date", "18.01.2023 05h43 +0100", "'%d.%m.%Y %Hh%M %z'"),
        ("date", "01/18/2023 05:43 -0500", "add `reader: {dates: month_first}`"),
        ("date", "yesterday", "map ordered_at to another input"),
        ("number", "12,50", 'reader: {decimal: ","}'),
        ("number", "5%", "as_number(rtrim(day, '%')) / 100"),
        ("number", "3 pcs", "regexp_extract(day, '[-0-9.,]+')"),
        ("number", "free", "reader: {nulls: […]}"),
    ],
)
def test_advice_is_derived_from_the_value(kind: str, value: str, advice: str) -> None:
    assert advice in advice_for(kind, value, "ordered_at", "day")  # type: ignore[arg-type]


@example_settings(
    max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
@given(
    moments=st.lists(st.datetimes(datetime(2020, 1, 1), datetime(2024, 12, 30)), min_size=2, max_size=12),
    mark=st.sampled_from("/.-"),
)
def test_dates_are_never_read_in_the_wrong_order_where_the_column_shows_it(
    lake: Lake, tmp_path: Path, moments: list[datetime], mark: str
) -> None:
    moments = [*moments, datetime(2024, 3, 13), datetime(2024, 1, 1)]  # the one shows it, and the other can be read
    path = write(tmp_path / "orders.csv", _lines("ordered_at", [f"{each:%d{mark}%m{mark}%Y}" for each in moments]))
    found = dry_run_on(lake, str(path), changed("canonical"), now=NOW)
    days = {f"{each:%Y-%m-%d}" for each in moments}
    assert found.stops or {row["ordered_at"][:10] for row in found.preview.to_dicts()} <= days


@example_settings(
    max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
@given(cents=st.lists(st.integers(1, 10**7), min_size=2, max_size=12), is_grouped=st.booleans())
def test_decimal_commas_are_never_read_as_thousands_where_the_column_shows_it(
    lake: Lake, tmp_path: Path, cents: list[int], is_grouped: bool
) -> None:
    texts = [f"{each / 100:{',' if is_grouped else ''}.2f}".translate(str.maketrans(",.", ".,")) for each in cents]
    path = write(tmp_path / "orders.csv", _lines("unit_price", texts))
    found = dry_run_on(lake, str(path), changed("canonical"), now=NOW)
    prices = {round(row["amount"] / row["quantity"], 2) for row in found.preview.to_dicts()}
    assert found.stops or prices <= {each / 100 for each in cents}
