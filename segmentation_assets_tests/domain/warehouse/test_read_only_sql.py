"""Queries of people: they can read the lake, and do nothing else, whatever they try."""

import hashlib
import json
import sqlite3
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import duckdb
import polars as pl
import pytest

from segmentation.errors import RefusedQueryError, SegmentationError
from segmentation.settings import Settings
from segmentation.warehouse import Lake
from segmentation.warehouse.extensions import open_duckdb
from segmentation.warehouse.read_only_sql import ReadOnlySql
from segmentation.warehouse.read_only_sql.functions import ALLOWED_RELATIONS, REASONS, REFUSED_RELATIONS, groups
from segmentation.warehouse.schema import migrate
from segmentation_assets_tests.testing.corpora import Entry, entries
from segmentation_assets_tests.testing.lines import Line, insert_lines
from segmentation_assets_tests.testing.statements import change

SECRET = "mustnotbeseen"
HOSTILE, FRIENDLY = entries("hostile"), entries("friendly")


@dataclass(frozen=True)
class World:
    """A lake, and beside it what nobody who asks it may see or change."""

    settings: Settings
    outside: Path

    def fill(self, entry: Entry) -> str:
        """An entry's statement for this lake."""
        home = self.settings.home
        return entry.filled(catalog=home / "catalog.sqlite", data=home / "data", outside=self.outside)

    def picture(self) -> dict[str, str]:
        """Every file with the hash of its content; of the catalogue, what is in it."""
        folders = (self.settings.home, self.outside)
        paths = [path for folder in folders for path in folder.rglob("*") if path.is_file()]
        picture = {
            str(path): hashlib.sha256(path.read_bytes()).hexdigest()
            for path in paths
            if not path.name.startswith("catalog.sqlite")
        }
        with sqlite3.connect(self.settings.home / "catalog.sqlite") as catalogue:
            return picture | {"catalogue": hashlib.sha256("\n".join(catalogue.iterdump()).encode()).hexdigest()}


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    """A lake with lines, a view and macros; files beside it that hold a secret."""
    folder = tmp_path_factory.mktemp("world")
    outside, settings = folder / "outside", Settings(home=folder / "warehouse", customer_buckets=2, threads=1)
    _write_secrets(outside)
    with Lake(settings, create=True) as lake:
        migrate(lake)
        insert_lines(
            lake,
            [Line(f"c{i}", f"o{i}", "p", datetime(2024, 1, 1 + i), country="UK", channel="web") for i in range(20)],
        )
        change(
            lake,
            "CREATE VIEW main.lines_by_country AS SELECT country, COUNT(*) AS lines FROM raw.transactions GROUP BY 1",
            "CREATE MACRO main.doubled(x) AS 2 * x",
            "CREATE MACRO main.lines_of(c) AS TABLE SELECT * FROM raw.transactions WHERE channel = c",
        )
    return World(settings, outside)


def _write_secrets(folder: Path) -> None:
    folder.mkdir()
    (folder / "secret.txt").write_text(SECRET)
    (folder / "secret.csv").write_text(f"a\n{SECRET}\n")
    (folder / "secret.json").write_text(json.dumps({"a": SECRET}))
    pl.DataFrame({"a": [SECRET]}).write_parquet(folder / "secret.parquet")
    with sqlite3.connect(folder / "secret.sqlite") as database:
        database.execute("CREATE TABLE t AS SELECT ? AS a", (SECRET,))
    database.close()
    with duckdb.connect(str(folder / "secret.duckdb")) as con:
        con.execute(f"CREATE TABLE t AS SELECT '{SECRET}' AS a")


@pytest.fixture(scope="module")
def reader(world: World) -> Iterator[ReadOnlySql]:
    """What runs queries."""
    with ReadOnlySql(world.settings) as opened:
        yield opened


def test_nothing_hostile_gets_through(world: World, reader: ReadOnlySql, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(world.outside)
    secret_frame = pl.DataFrame({"a": [SECRET]})  # a variable that DuckDB would find by its name
    assert len(HOSTILE) >= 60
    before, failed = world.picture(), []
    for entry in HOSTILE:
        try:
            answer = reader.frame(world.fill(entry))
        except SegmentationError as refusal:
            if SECRET in str(refusal):
                failed.append(f"{entry.aim}: told {refusal}")
        else:
            failed.append(f"{entry.aim}: answered {answer}")
    assert failed == []
    assert world.picture() == before
    assert secret_frame.height == 1


def test_the_engine_refuses_files_even_if_a_statement_gets_past_the_look(world: World) -> None:
    with ReadOnlySql(world.settings) as reader, reader._lake.cursor() as con:
        for statement in (
            f"FROM read_text('{world.outside}/secret.txt')",
            f"FROM '{world.outside}/secret.csv'",
            f"COPY (SELECT 1) TO '{world.outside}/written.csv'",
            "SET enable_external_access = true",
            "LOAD httpfs",
        ):
            with pytest.raises(duckdb.Error, match=r"disabled|locked"):
                con.execute(statement).fetchall()


def test_what_analysts_ask_is_answered(world: World, reader: ReadOnlySql) -> None:
    failed = []
    for entry in FRIENDLY:
        try:
            answer = reader.frame(world.fill(entry))
        except SegmentationError as refusal:
            failed.append(f"{entry.aim}: {refusal}")
        else:
            assert answer.columns
    assert not failed, "\n".join(failed)


def test_a_refusal_says_what_and_what_to_do(reader: ReadOnlySql) -> None:
    for query, words in {
        "SELECT * FROM read_text('/etc/passwd')": "'read_text' is refused.*--allow-files",
        "FROM '/etc/passwd.csv'": "'/etc/passwd.csv' is refused.*--allow-files",
        "COPY (SELECT 1) TO 'x'": "COPY is refused.*SELECT, FROM.*--output",
        "CALL ducklake_snapshots('lake')": "Write `FROM",
        "SELECT 1; SELECT 2": "one query at a time",
        "-- nothing": "There is no query",
        "SELECT 1 FROM": "query failed",
        "FROM ducklake_expire_snapshots('lake')": "changes something",
        "SELECT nosuchfunction(1)": "'nosuchfunction' is refused",
        "SELECT 'a\0b'": "NUL",
        "SELECT '\udcff'": "UTF-8",
        "SELECT 1" + " " * 100_000: "100,000 are allowed",
    }.items():
        with pytest.raises(SegmentationError, match=words):
            reader.frame(query)


@pytest.mark.parametrize(
    "query",
    [
        f"SELECT {'(' * 3000}1{')' * 3000}",
        f"SELECT {' + '.join('1' * 3000)}",
        f"SELECT {'list_value(' * 400}1{')' * 400}",
        f"{'SELECT * FROM (' * 600}SELECT 1{')' * 600}",
        f"SELECT 1 WHERE 1 IN ({', '.join(map(str, range(15_000)))})",
        "/*" * 40_000,
        "/*" * 1000,
        "EXPLAIN " * 10_000 + "SELECT 1",
        "SELECT " + "'" * 40_001,
        "-- x\n" * 10_000 + "SELECT 1",
    ],
    ids=[
        "brackets",
        "sums",
        "calls",
        "queries",
        "a list",
        "many comments",
        "comments",
        "explains",
        "quotes",
        "comment lines",
    ],
)
def test_queries_of_odd_shapes_end_soon_in_an_answer_or_a_clear_error(reader: ReadOnlySql, query: str) -> None:
    began = time.monotonic()
    with suppress(SegmentationError):
        reader.frame(query)
    assert time.monotonic() - began < 20


def test_files_can_be_read_by_who_asks_for_it_and_still_nothing_is_changed(world: World) -> None:
    before = world.picture()
    secret_frame = pl.DataFrame({"a": [SECRET]})
    with ReadOnlySql(world.settings, allow_files=True) as reader:
        for query in (
            "FROM read_text('{outside}/secret.txt')",
            "FROM '{outside}/secret.csv'",
            "FROM glob('{outside}/*')",
        ):
            assert reader.frame(world.fill(Entry("", query))).height
        pivot = Entry("", "PIVOT '{outside}/secret.csv' ON a USING COUNT(*)")
        assert reader.frame(world.fill(pivot)).columns == [SECRET]
        for entry in HOSTILE:
            try:
                reader.frame(world.fill(entry))
            except SegmentationError:
                continue
            allowed = (
                "read_text",
                "read_b",
                "read_c",
                "read_j",
                "read_n",
                "read_p",
                "secret.",
                "glob",
                "parquet_",
                "sniff_csv",
                ".json",
            )
            assert any(word in entry.text.lower() for word in allowed), entry.aim
        for query in ("FROM '{outside}/secret.duckdb'", "FROM read_duckdb('{outside}/secret.duckdb')"):
            with pytest.raises(RefusedQueryError):
                reader.frame(world.fill(Entry("", query)))
    assert world.picture() == before
    assert secret_frame.height == 1


def test_a_query_that_takes_too_long_is_stopped(world: World) -> None:
    with ReadOnlySql(world.settings.model_copy(update={"query_timeout_s": 0.3})) as reader:
        began = time.monotonic()
        with pytest.raises(SegmentationError, match=r"stopped after 0\.3 s.*SEGMENTATION_QUERY_TIMEOUT_S"):
            reader.frame("SELECT SUM(a.range * b.range) FROM range(10000000) AS a, range(10000000) AS b")
        assert time.monotonic() - began < 20
        assert reader.frame("SELECT 1").height == 1


def test_a_big_query_spills_to_the_disk_as_before(world: World) -> None:
    with ReadOnlySql(world.settings.model_copy(update={"memory_limit": "60MB"})) as reader:
        (row,) = reader.frame(
            "SELECT COUNT(*) FROM (SELECT range AS i, hash(range) FROM range(4000000) ORDER BY 2)"
        ).rows()
    assert row == (4_000_000,)


def test_every_function_and_view_of_this_duckdb_is_classified() -> None:
    with open_duckdb(
        ("ducklake", "sqlite_scanner", "postgres_scanner", "httpfs", "aws", "azure", "mysql_scanner")
    ) as con:
        names = {name.lower() for (name,) in con.execute("SELECT function_name FROM duckdb_functions()").fetchall()}
        views = {name for (name,) in con.execute("SELECT view_name FROM duckdb_views() WHERE internal").fetchall()}
    assert names - set(groups()) == set(), "say in functions.txt what they do"
    assert set(groups().values()) == {*REASONS, "allowed"}
    assert views - ALLOWED_RELATIONS - REFUSED_RELATIONS == set(), "say in functions.py what they show"
