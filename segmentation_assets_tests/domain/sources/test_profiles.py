"""Profiles: which there are, what is wrong with a bad one, and what their macros make of messy values."""

from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

import duckdb
import pytest
import yaml
from hypothesis import given
from hypothesis import settings as example_settings
from hypothesis import strategies as st

from segmentation.clock import utc_now
from segmentation.errors import SourceError
from segmentation.settings import Settings
from segmentation.sources.profiles.profile import bundled_profiles, load_profile, parse_profile
from segmentation.sources.staging import Staging
from segmentation.warehouse.customer_bucket import customer_bucket
from segmentation_assets_tests.domain.sources.shop_files import changed

DOCS = Path(__file__).parents[3] / "docs" / "sources.md"

MINIMAL = {
    "name": "mine",
    "inputs": {"o": ["Order"], "c": "Customer", "p": ["Product"], "q": ["Units"], "u": ["Price"], "t": ["When"]},
    "columns": {
        "order_id": "o",
        "customer_id": "c",
        "product_id": "p",
        "quantity": "q",
        "unit_price": "u",
        "ordered_at": "t",
    },
}


@pytest.fixture(scope="module")
def con() -> Iterator[duckdb.DuckDBPyConnection]:
    with duckdb.connect() as opened:
        Staging(opened, Settings()).begin(utc_now())
        yield opened


def value(con: duckdb.DuckDBPyConnection, expression: str, *, timezone: str = "UTC", decimal: str = ".") -> object:
    Staging(con, Settings()).use_profile(changed("canonical", timezone=timezone, reader={"decimal": decimal}))
    row = con.execute(f"SELECT {expression}").fetchone()
    assert row is not None
    return row[0]


def test_the_bundled_profiles_are_the_documented_ones() -> None:
    section = DOCS.read_text(encoding="utf-8").split("## Bundled profiles")[1].split("\n## ")[0]
    documented = [line.split("`")[1] for line in section.splitlines() if line.startswith("| `")]

    assert sorted(documented) == list(bundled_profiles())


@pytest.mark.parametrize("name", bundled_profiles())
def test_a_profile_survives_being_written_as_yaml(name: str) -> None:
    profile = load_profile(name)

    assert profile.name == name
    assert parse_profile(profile.to_yaml(), "a copy") == profile


def test_a_profile_of_ones_own_is_loaded_by_its_path(tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text(yaml.safe_dump(MINIMAL))

    assert load_profile(str(path)).inputs["c"].headers == ("Customer",)


def test_an_unknown_profile_is_answered_with_the_known_ones() -> None:
    with pytest.raises(SourceError, match=r"no profile 'corner-shop'.*canonical, cdnow, complete-journey"):
        load_profile("corner-shop")


def test_a_profile_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match=r"nowhere\.yaml.*No such file"):
        load_profile(str(tmp_path / "nowhere.yaml"))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("name: [unclosed", "not valid YAML"),
        ("- a list", "not a YAML mapping"),
        ("name: mine", r"inputs: Field required"),
    ],
)
def test_text_that_is_no_profile_is_refused(text: str, message: str) -> None:
    with pytest.raises(SourceError, match=message):
        parse_profile(text, "test.yaml")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"colums": {}}, "colums: Extra inputs are not permitted"),
        ({"columns": {**MINIMAL["columns"], "price": "u"}}, "unknown price"),  # type: ignore[dict-item]
        ({"columns": {"order_id": "o"}}, "lacks customer_id, ordered_at, product_id, quantity"),
        (
            {"columns": {k: v for k, v in MINIMAL["columns"].items() if k != "unit_price"}},  # type: ignore[attr-defined]
            "needs unit_price or amount",
        ),
        ({"inputs": {"input": ["Order"]}}, "an input can't be called input"),
        ({"timezone": "Mars/Olympus"}, "no time zone 'Mars/Olympus'"),
        ({"reader": {"encoding": "klingon"}}, "no encoding 'klingon'"),
        ({"rules": [{"name": "broken", "reject": "q > ("}]}, "rules.broken: syntax error"),
        ({"rules": [{"name": "two", "reject": "true, false"}]}, "is not one SQL expression"),
        ({"rules": [{"name": "other", "reject": "q > (SELECT 1)"}]}, "has a subquery"),
        ({"rules": [{"name": "first", "reject": "row_number() OVER () > 1"}]}, "has a window function"),
        ({"rules": [{"name": "sneaky", "reject": "true) FROM x; DROP TABLE y --"}]}, "rules.sneaky"),
        ({"rules": [{"name": "Not A Name", "reject": "true"}]}, "rules.0.name"),
    ],
)
def test_a_malformed_profile_is_refused_with_the_place(change: dict[str, object], message: str) -> None:
    with pytest.raises(SourceError, match=f"(?s)test.yaml.*{message}"):
        parse_profile(yaml.safe_dump(MINIMAL | change), "test.yaml")


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        ("' C489449\t'", "C489449"),
        ("'13085.0'", "13085"),
        ("CAST(13085 AS DOUBLE)", "13085"),
        ("1.5", "1.5"),
        ("CAST('nan' AS DOUBLE)", None),
        ("18446744073709551615", "18446744073709551615"),
        ("'v1.0'", "v1.0"),
        ("'   '", None),
    ],
)
def test_ids_are_trimmed_and_lose_the_traces_of_floats(
    con: duckdb.DuckDBPyConnection, written: str, expected: str | None
) -> None:
    assert value(con, f"clean_id({written})") == expected


@pytest.mark.parametrize(
    ("text", "decimal", "expected"),
    [
        ("12.50", ".", 12.5),
        (" 1,234.50 ", ".", 1234.5),
        ("£2.55", ".", 2.55),
        ("12,5", ".", None),
        ("1.234,50", ",", 1234.5),
        ("12,5", ",", 12.5),
        ("12.5", ",", None),
        ("twelve", ".", None),
        ("", ".", None),
    ],
)
def test_numbers_are_read_with_the_profiles_decimal_mark(
    con: duckdb.DuckDBPyConnection, text: str, decimal: str, expected: float | None
) -> None:
    assert value(con, f"as_number('{text}')", decimal=decimal) == expected


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        ("'2010-07-01 10:00:00'", datetime(2010, 7, 1, 9)),
        ("'2010-12-01'", datetime(2010, 12, 1)),
        ("'12/1/2010 8:26'", datetime(2010, 12, 1, 8, 26)),
        ("'12/1/10 8:26'", datetime(2010, 12, 1, 8, 26)),
        ("'1.12.2010 08:26'", datetime(2010, 12, 1, 8, 26)),
        ("'20101201'", datetime(2010, 12, 1)),
        ("'2010-07-01T10:00:00Z'", datetime(2010, 7, 1, 10)),
        ("'2010-07-01 10:00:00.5+02:00'", datetime(2010, 7, 1, 8, 0, 0, 500_000)),
        ("TIMESTAMP '2010-07-01 10:00:00'", datetime(2010, 7, 1, 9)),
        ("DATE '2010-12-01'", datetime(2010, 12, 1)),
        ("TIMESTAMPTZ '2010-07-01 10:00:00+00'", datetime(2010, 7, 1, 10)),
        ("as_timestamp('2010-07-01' || ' ' || '10:00')", datetime(2010, 7, 1, 9)),
        ("'13/13/2010 8:26'", None),
        ("'yesterday'", None),
    ],
)
def test_moments_without_an_offset_are_read_in_the_profiles_zone(
    con: duckdb.DuckDBPyConnection, written: str, expected: datetime | None
) -> None:
    assert value(con, f"utc({written})", timezone="Europe/London") == expected


@pytest.mark.parametrize("day", ["1900-01-01", "9999-12-31", "0001-01-01"])
def test_dates_that_stand_for_unknown_are_no_dates(con: duckdb.DuckDBPyConnection, day: str) -> None:
    assert value(con, f"plausible(utc('{day}'))") is None


@example_settings(deadline=None, max_examples=30)
@given(ids=st.lists(st.text(st.characters(codec="utf-8", exclude_characters="\0"))), buckets=st.integers(1, 4096))
def test_sql_and_python_agree_on_the_customers_bucket(
    con: duckdb.DuckDBPyConnection, ids: list[str], buckets: int
) -> None:
    query = "SELECT customer_bucket(id, $buckets) FROM (SELECT unnest($ids::VARCHAR[]) AS id)"
    found = [row[0] for row in con.execute(query, {"ids": ids, "buckets": buckets}).fetchall()]

    assert found == [customer_bucket(customer_id, buckets) for customer_id in ids]
    assert all(0 <= bucket < buckets for bucket in found)
