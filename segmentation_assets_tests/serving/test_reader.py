"""How the scorer reads the lake."""

import threading
from collections.abc import Iterator
from contextlib import closing

import anyio
import anyio.to_thread
import duckdb
import pytest

from segmentation.errors import WarehouseUnavailableError
from segmentation.settings import Settings
from segmentation_assets_tests.testing.shop import promote
from serving.live.reader import LakeReader

CHAMPION = "SELECT version FROM registry.promotions WHERE alias = 'champion' ORDER BY promotion_id DESC LIMIT 1"


@pytest.fixture
def reader(own_settings: Settings) -> Iterator[LakeReader]:
    """A reader of the test's own lake."""
    with closing(LakeReader(own_settings)) as opened:
        yield opened


def test_a_read_sees_one_snapshot_whatever_is_committed_meanwhile(reader: LakeReader, own_settings: Settings) -> None:
    def champion_twice(con: duckdb.DuckDBPyConnection) -> list[object]:
        before = con.execute(CHAMPION).fetchone()
        promote(own_settings, 2)
        return [before, con.execute(CHAMPION).fetchone()]

    assert anyio.run(reader.read, champion_twice) == [(1,), (1,)]
    assert anyio.run(reader.read, lambda con: con.execute(CHAMPION).fetchone()) == (2,)


def test_reads_do_not_hold_up_the_event_loop_nor_each_other(reader: LakeReader) -> None:
    async def read_side_by_side() -> int:
        ticks, barrier = 0, threading.Barrier(3)
        async with anyio.create_task_group() as tasks:
            for _ in range(2):
                tasks.start_soon(reader.read, lambda con: barrier.wait(10))
            while barrier.n_waiting < 2:
                ticks += 1
                await anyio.sleep(0.001)
            await anyio.to_thread.run_sync(barrier.wait, 10)
        return ticks

    assert anyio.run(read_side_by_side) > 0


def test_after_a_fatal_error_the_lake_is_opened_anew(reader: LakeReader) -> None:
    def mark_and_fail(con: duckdb.DuckDBPyConnection) -> None:
        con.rollback()
        con.execute("CREATE TABLE memory.main.mark (is_here BOOLEAN)")
        raise duckdb.FatalException("the database has been invalidated")

    def tables_in_memory(con: duckdb.DuckDBPyConnection) -> list[tuple[str]]:
        return con.execute("SELECT table_name FROM duckdb_tables() WHERE database_name = 'memory'").fetchall()

    with pytest.raises(WarehouseUnavailableError, match="invalidated"):
        anyio.run(reader.read, mark_and_fail)
    assert anyio.run(reader.read, tables_in_memory) == []


def test_nobody_can_write_through_the_reader(reader: LakeReader) -> None:
    with pytest.raises(WarehouseUnavailableError, match="read-only"):
        anyio.run(reader.read, lambda con: con.execute("DELETE FROM registry.models"))
