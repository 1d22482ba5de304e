"""The roles that Compose makes in PostgreSQL: what each may do with the lake, and what not."""

from datetime import datetime, timedelta
from pathlib import Path

import duckdb
import psycopg2
import pytest
from pydantic import SecretStr, ValidationError

from segmentation.clock import utc_now
from segmentation.errors import WarehouseUnavailableError
from segmentation.housekeeping import keep_house
from segmentation.settings import Settings
from segmentation.warehouse import Lake
from segmentation.warehouse.read_only_sql import ReadOnlySql
from segmentation.warehouse.schema import migrate
from segmentation_assets_tests.testing.lines import Line, insert_lines
from segmentation_assets_tests.testing.postgres import Postgres, run_script
from segmentation_assets_tests.testing.statements import change

SCRIPT = Path(__file__).parents[3] / "deploy" / "compose" / "postgres-init.sql"
PASSWORDS = {"dagster": "d", "lake": "o'w n", "lake_ingest": "i\\n", "lake_read": "r'e \\x=$"}
VARIABLES = {
    "DAGSTER_POSTGRES_PASSWORD": PASSWORDS["dagster"],
    "LAKE_POSTGRES_PASSWORD": PASSWORDS["lake"],
    "LAKE_INGEST_PASSWORD": PASSWORDS["lake_ingest"],
    "LAKE_READ_PASSWORD": PASSWORDS["lake_read"],
}
LINES = [Line(f"c{i}", f"o{i}", "p", datetime(2024, 1, 1 + i)) for i in range(20)]


@pytest.fixture(scope="module", autouse=True)
def _roles(server: Postgres) -> None:
    run_script(server, SCRIPT, VARIABLES)
    server.ask_for_passwords()


@pytest.fixture(scope="module")
def home(server: Postgres, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The home of a lake that its owner has made, with a few lines in the catalogue and more in files."""
    home = tmp_path_factory.mktemp("roles")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PGPASSWORD", PASSWORDS["lake"])
        with Lake(_settings(server, home, "lake"), create=True) as lake:
            migrate(lake)
            insert_lines(lake, LINES[:3])
            insert_lines(lake, LINES)
    return home


def _address(server: Postgres, user: str) -> str:
    return f"postgres:{server.address.replace('user=postgres', '')}dbname=lake user={user}"


def _settings(server: Postgres, home: Path, user: str, **more: object) -> Settings:
    return Settings(home=home, catalog=_address(server, user), customer_buckets=2, threads=1, **more)  # type: ignore[arg-type]


def _scorer(server: Postgres, home: Path) -> Settings:
    read = {"read_catalog": _address(server, "lake_read"), "read_catalog_password": PASSWORDS["lake_read"]}
    return _settings(server, home, "lake_ingest", **read)


def test_whoever_ingests_writes_as_one_user_and_reads_as_another(
    server: Postgres, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PGPASSWORD", PASSWORDS["lake_ingest"])
    scorer = _scorer(server, home)
    with Lake(scorer) as lake:
        insert_lines(lake, LINES[:2])
        change(
            lake,
            "UPDATE raw.transactions SET amount = 3 WHERE order_id = 'o2'",
            "INSERT INTO registry.segments (version, segment_id, segment_name, description) VALUES (1, 1, 'a', 'b')",
        )
    with Lake(scorer, read_only=True) as lake, lake.cursor() as con:
        who = "FROM postgres_query('__ducklake_metadata_lake', 'SELECT current_user')"
        assert con.execute(who).fetchall() == [("lake_read",)]
        assert con.execute("SELECT COUNT(*) >= 25 FROM raw.transactions").fetchall() == [(True,)]
        assert con.execute("SELECT COUNT(*) FROM registry.segments").fetchall() == [(1,)]
    with ReadOnlySql(scorer) as reader:
        assert reader.frame("SELECT COUNT(*) >= 25 FROM raw.transactions").item()
    monkeypatch.setenv("PGPASSWORD", PASSWORDS["lake"])
    with Lake(_settings(server, home, "lake")) as lake:
        keep_house(lake, now=utc_now() + timedelta(days=60), actor="test")
    with ReadOnlySql(scorer) as reader:
        assert reader.frame("SELECT COUNT(*) >= 25 FROM raw.transactions").item()


def test_who_only_reads_can_change_nothing(server: Postgres, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PGPASSWORD", PASSWORDS["lake_read"])
    with Lake(_settings(server, home, "lake_read"), read_only=True) as lake, lake.cursor() as con:
        before = con.execute("SELECT COUNT(*) FROM raw.transactions").fetchall()
    refused = pytest.raises(duckdb.Error, match=r"read-only transaction|permission denied")
    with refused, Lake(_settings(server, home, "lake_read")) as lake:
        insert_lines(lake, LINES)
    with Lake(_settings(server, home, "lake_read"), read_only=True) as lake, lake.cursor() as con:
        assert con.execute("SELECT COUNT(*) FROM raw.transactions").fetchall() == before


@pytest.mark.parametrize("user", ["lake_ingest", "lake_read"])
@pytest.mark.parametrize(
    "statement",
    [
        "DROP TABLE ducklake_snapshot",
        "TRUNCATE ducklake_snapshot",
        "ALTER TABLE ducklake_snapshot ADD COLUMN spy INT",
        "DROP SCHEMA public CASCADE",
        "DROP DATABASE lake",
        "CREATE ROLE spy",
        "SELECT pg_read_file('/etc/passwd')",
        "SELECT * FROM pg_authid",
        "COPY ducklake_snapshot TO PROGRAM 'cat'",
    ],
)
def test_neither_can_drop_the_catalogue(server: Postgres, home: Path, user: str, statement: str) -> None:
    _refused(server, user, statement)


@pytest.mark.parametrize(
    "statement", ["DELETE FROM ducklake_snapshot", "CREATE TABLE made (a INT)", "CREATE TEMP TABLE made (a INT)"]
)
def test_the_reader_is_refused_by_its_rights_and_not_only_by_its_default(
    server: Postgres, home: Path, statement: str
) -> None:
    _refused(server, "lake_read", statement)


def test_nobody_of_the_lake_reaches_the_run_history(server: Postgres) -> None:
    for user in ("lake", "lake_ingest", "lake_read"):
        address = server.address.replace("user=postgres", f"user={user} dbname=dagster")
        with pytest.raises(psycopg2.OperationalError, match="permission denied"):
            psycopg2.connect(address, password=PASSWORDS[user])


def _refused(server: Postgres, user: str, statement: str) -> None:
    address = server.address.replace("user=postgres", f"user={user} dbname=lake")
    connection = psycopg2.connect(address, password=PASSWORDS[user])
    try:
        connection.autocommit = True
        connection.cursor().execute("SET default_transaction_read_only = off")
        with pytest.raises(psycopg2.errors.InsufficientPrivilege):
            connection.cursor().execute(statement)
    finally:
        connection.close()


def test_a_wrong_password_is_told_without_showing_it(server: Postgres, home: Path) -> None:
    wrong = _scorer(server, home).model_copy(update={"read_catalog_password": SecretStr("not-this-one")})
    with pytest.raises(WarehouseUnavailableError, match="password authentication failed") as refusal:
        Lake(wrong, read_only=True)
    assert "not-this-one" not in str(refusal.value)


def test_a_reader_of_another_kind_is_refused() -> None:
    with pytest.raises(ValidationError, match="read_catalog is for catalogues in PostgreSQL"):
        Settings(read_catalog="sqlite:other.sqlite")
