"""The inbox of a user interface that runs on an empty lake: what files bring is loaded, nothing reloaded by hand."""

import json
import os
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from subprocess import DEVNULL, Popen

import duckdb
import pytest

from segmentation.errors import WarehouseUnavailableError
from segmentation.settings import Settings
from segmentation.warehouse import Lake
from segmentation_assets_tests.e2e.conftest import command, environment, segmentation
from segmentation_assets_tests.testing.ports import free_port
from segmentation_assets_tests.testing.waiting import eventually

HEADER = "line_id,order_id,customer_id,product_id,quantity,unit_price,ordered_at"
COUNT = """{ assetNodeOrError(assetKey: {path: ["raw", "transactions"]}) { ... on AssetNode {
    partitionStats { numMaterialized numPartitions } } } }"""
PATIENCE_S = 240

pytestmark = pytest.mark.takes(150)


@dataclass(frozen=True)
class Interface:
    """`segmentation ui` on an installation of its own."""

    home: Path
    port: int

    def drop(self, name: str, *days: str) -> None:
        """Put a file into the inbox, one line a day."""
        lines = [f"{day},{day},c,p,1,1,{day} 10:00:00" for day in days]
        path = self.home / "inbox" / "canonical" / name
        path.write_text("\n".join([HEADER, *lines, ""]))
        os.utime(path, (0, path.stat().st_mtime - 60))

    def days(self) -> list[str]:
        """The days with lines in the lake."""
        query = "SELECT CAST(CAST(ordered_at AS DATE) AS VARCHAR) FROM raw.transactions ORDER BY ordered_at"
        try:
            with Lake(Settings(home=self.home), read_only=True) as lake, lake.cursor() as con:
                return [row[0] for row in con.execute(query).fetchall()]
        except (WarehouseUnavailableError, duckdb.CatalogException):  # not there yet, or being made
            return []

    def offered(self) -> tuple[int, int]:
        """Days of `raw/transactions` that the interface shows as loaded, and all that it offers."""
        body = json.dumps({"query": COUNT}).encode()
        request = urllib.request.Request(
            f"http://127.0.0.1:{self.port}/graphql", body, {"Content-Type": "application/json"}
        )
        with urllib.request.urlopen(request, timeout=30) as answer:
            stats = json.load(answer)["data"]["assetNodeOrError"].get("partitionStats") or {}
        return stats.get("numMaterialized", 0), stats.get("numPartitions", 0)


@contextmanager
def running_interface(home: Path) -> Iterator[Interface]:
    """Start the command, and stop it by its process id."""
    (home / "inbox" / "canonical").mkdir(parents=True)
    segmentation(home, "init")
    port = free_port()
    with Popen(
        command("ui", "--port", str(port)), env=environment(home), cwd=home, stdout=DEVNULL, stderr=DEVNULL
    ) as process:
        try:
            yield Interface(home, port)
        finally:
            process.terminate()
            process.wait(60)


def await_days(interface: Interface, *days: str) -> None:
    """Wait until the lake has lines of just these days."""
    eventually(lambda: interface.days() == list(days), interface.days, PATIENCE_S, pause_s=1)


@pytest.mark.timeout(900)
def test_files_that_begin_before_all_that_is_known_are_loaded_and_shown(tmp_path: Path) -> None:
    with running_interface(tmp_path / "warehouse") as interface:
        interface.drop("old.csv", "2019-06-01", "2019-06-03")
        await_days(interface, "2019-06-01", "2019-06-03")
        interface.drop("both.csv", "2019-05-30", "2024-02-01")
        await_days(interface, "2019-05-30", "2019-06-01", "2019-06-03", "2024-02-01")
        days = (date(2024, 2, 1) - date(2019, 5, 30)).days + 1
        eventually(lambda: interface.offered()[0] == days, interface.offered, PATIENCE_S, pause_s=1)
        assert interface.offered()[1] < 5_000
