"""Failures of PostgreSQL and of object stores, as DuckDB told them in trials, and what people are told instead."""

import duckdb
import pytest

from segmentation.cli import app
from segmentation.warehouse.outages import words_for_people

ADDRESS = "host=127.0.0.1 port=47241 user=postgres password=top-secret dbname=lake"

LOST = (
    'Failed to get partition information from DuckLake: Failed to prepare COPY "COPY (SELECT "partition_id" FROM '
    '"public"."ducklake_partition_column" ) TO STDOUT (FORMAT "binary");": server closed the connection unexpectedly\n'
    "\tThis probably means the server terminated abnormally\n\tbefore or while processing the request.\n",
    f'IO Error: Failed to query most recent snapshot for DuckLake: Unable to connect to Postgres at "{ADDRESS}": '
    'connection to server at "127.0.0.1", port 40299 failed: Connection refused\n\tIs the server running on that host?',
    'TransactionContext Error: Failed to commit: Failed to execute query "COMMIT": server closed the connection '
    "unexpectedly\n\tThis probably means the server terminated abnormally",
    'IO Error: Unable to connect to Postgres at "dbname=lake": FATAL:  the database system is starting up',
    "Invalid Error: FATAL:  terminating connection due to administrator command",
)
OVERLOADED = (
    "HTTP Error: HTTP GET error reading 'http://127.0.0.1:59281/shop/trial-5/raw/a.parquet' in region 'us-east-1' "
    "(HTTP 503 Service Unavailable)\n\nSlowDown: Please reduce your rate"
)


@pytest.mark.parametrize("message", LOST)
def test_a_lost_catalogue_is_told_in_words(message: str) -> None:
    told = words_for_people(message) or ""
    assert "database of the lake's catalogue" in told
    assert "run it again" in told
    assert "top-secret" not in told
    assert "COPY" not in told


def test_an_overloaded_object_store_is_told_in_words() -> None:
    assert "too much to do" in (words_for_people(OVERLOADED) or "")


@pytest.mark.parametrize("message", ["Catalog Error: Table with name t does not exist!", "Binder Error: no column"])
def test_other_errors_keep_their_own_words(message: str) -> None:
    assert words_for_people(message) is None


@pytest.mark.parametrize("message", [LOST[0], LOST[2], OVERLOADED])
def test_a_command_ends_with_words_and_no_traceback(
    message: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail() -> None:
        raise duckdb.Error(message)

    monkeypatch.setattr(app, "app", fail)
    with pytest.raises(SystemExit) as ended:
        app.main()
    assert ended.value.code == 1
    assert capsys.readouterr().err.startswith("Error: ")
