"""Tables of PostgreSQL and MySQL, read on from where they were left."""

from collections.abc import Iterator
from typing import Any

import psycopg2
import pytest

from segmentation.errors import SourceError
from segmentation.settings import Settings
from segmentation.sources import reading
from segmentation.sources.config import DatabaseSource
from segmentation.sources.readers.databases import DatabasePages
from segmentation.warehouse import Lake
from segmentation_assets_tests.testing.mysql import Mysql, running_mysql
from segmentation_assets_tests.testing.postgres import Postgres, running_postgres

COLUMNS = "line_id, order_id, customer_id, product_id, quantity, unit_price, ordered_at, changed"


@pytest.fixture(scope="module")
def postgres() -> Iterator[Postgres]:
    with running_postgres() as running:
        yield running


@pytest.fixture(scope="module")
def mysql() -> Iterator[Mysql]:
    with running_mysql() as running:
        yield running


def source(**options: Any) -> DatabaseSource:
    return DatabaseSource(name="shop", **{"type": "postgres", "table": "order_lines", "cursor": "changed", **options})


def insert(first: int, last: int, changed: str) -> str:
    """Statements that both databases know."""
    rows = ", ".join(
        f"('l{n}', 'o{n}', 'c{n % 7}', 'p1', {n % 4 + 1}, 2.50, '2025-05-0{n % 9 + 1} 10:00:00', {changed.format(n=n)})"
        for n in range(first, last)
    )
    return f"INSERT INTO order_lines ({COLUMNS}) VALUES {rows};"


def fill(address: str, *statements: str) -> None:
    with psycopg2.connect(address) as connection, connection.cursor() as cursor:
        for statement in statements:
            cursor.execute(statement)


def create(kind: str = "timestamptz", moment: str = "timestamptz") -> str:
    return (
        "CREATE TABLE order_lines (line_id varchar(20), order_id varchar(20), customer_id varchar(20), "
        "product_id varchar(20), quantity numeric(12, 3), unit_price numeric(12, 2), "
        f"ordered_at {moment}, changed {kind});"
    )


def in_lake(settings: Settings) -> list[tuple[Any, ...]]:
    with Lake(settings, read_only=True) as lake, lake.cursor() as con:
        return con.execute("SELECT count(*), count(DISTINCT line_id), sum(amount) FROM raw.transactions").fetchall()


def test_rows_are_read_page_by_page_and_then_only_what_changed(
    postgres: Postgres, lake: Lake, settings: Settings
) -> None:
    address = postgres.new_database()
    # Fifty rows have the same moment: more than a page holds.
    fill(
        address,
        create(),
        insert(0, 50, "'2025-06-01'"),
        insert(50, 90, "'2025-06-02'::timestamptz + {n} * interval '1 s'"),
    )
    declared = source(connection=address, page_lines=20, overlap=0)
    first = reading.read(settings, declared)
    assert first.lines()["lines_new"] == 90
    assert in_lake(settings) == [(90, 90, sum((n % 4 + 1) * 2.5 for n in range(90)))]
    again = reading.read(settings, declared)
    assert (again.lines()["lines_new"], again.lines()["lines_repeated"]) == (0, 1)
    fill(
        address,
        "UPDATE order_lines SET quantity = 100, changed = '2025-06-03' WHERE line_id = 'l7'",
        insert(90, 95, "now()"),
    )
    third = reading.read(settings, declared)
    assert (third.lines()["lines_new"], third.lines()["lines_replaced"]) == (5, 1)


def test_rows_that_were_committed_late_are_read_within_the_overlap(
    postgres: Postgres, lake: Lake, settings: Settings
) -> None:
    address = postgres.new_database()
    fill(address, create(), insert(0, 5, "'2025-06-01 12:00:00'"))
    reading.read(settings, source(connection=address))
    fill(address, insert(5, 6, "'2025-06-01 11:57:00'"), insert(6, 7, "'2025-06-01 11:50:00'"))
    found = reading.read(settings, source(connection=address))
    assert found.lines()["lines_new"] == 1  # five minutes back, not ten


def test_mysql_is_read_by_time_and_by_number(mysql: Mysql, lake: Lake, settings: Settings) -> None:
    mysql.run(create("datetime", "datetime") + insert(0, 30, "'2025-06-01 00:00:{n:02}'"))
    by_time = source(type="mysql", connection=mysql.connection, page_lines=7, overlap=0)
    assert reading.check(settings, by_time) == "mysql, order_lines by changed"
    assert reading.read(settings, by_time).lines()["lines_new"] == 30
    mysql.run(insert(30, 40, "'2025-06-01 00:00:{n:02}'"))
    again = reading.read(settings, by_time).lines()
    assert (again["lines_new"], again["lines_replaced"], again["lines_rejected"]) == (10, 0, 0)
    query = "SELECT CONCAT('n-', line_id) AS line_id, order_id, customer_id, product_id, quantity, unit_price, " \
            "ordered_at, CAST(SUBSTR(line_id, 2) AS SIGNED) AS number FROM order_lines"  # fmt: skip
    options = {"type": "mysql", "table": None, "query": query, "cursor": "number", "connection": mysql.connection}
    by_number = source(**{**options, "overlap": 3}).model_copy(update={"name": "numbers"})
    assert reading.read(settings, by_number).lines()["lines_new"] == 40
    assert reading.read(settings, by_number).lines()["lines_repeated"] == 4
    assert in_lake(settings)[0][0] == 80


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        ({"table": "nothing"}, "nothing"),
        ({"cursor": "colour"}, "colour"),
        ({"table": None, "query": "SELECT broken FROM"}, "Reading the source shop failed"),
        ({"connection": "postgresql://reader:hidden@127.0.0.1:1/shop"}, "Can't reach the database"),
    ],
)
def test_what_cannot_be_read_is_told_without_the_password(
    postgres: Postgres, settings: Settings, options: dict[str, Any], problem: str
) -> None:
    address = postgres.new_database()
    fill(address, create())
    with pytest.raises(SourceError) as caught:
        DatabasePages(source(**{"connection": address, **options})).check()
    assert problem in str(caught.value)
    assert "hidden" not in str(caught.value)


def test_rows_that_would_never_be_read_are_told(postgres: Postgres, lake: Lake, settings: Settings) -> None:
    address = postgres.new_database()
    fill(address, create(), insert(0, 3, "NULL"), insert(3, 5, "now()"))
    with pytest.raises(SourceError, match="3 lines of the source shop have no changed"):
        reading.read(settings, source(connection=address))
    assert in_lake(settings) == [(0, 0, None)]
