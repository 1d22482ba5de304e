"""Resources: the lake, as Dagster hands it to assets and checks."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from typing import Any

import dagster as dg
import duckdb
from dagster_duckdb import DuckDBResource
from pydantic import Field, PrivateAttr

from segmentation.errors import SegmentationError
from segmentation.settings import Settings, load_settings
from segmentation.warehouse import Commit, Lake
from segmentation.warehouse.schema import migrate

ASKED_BY, REASON = "segmentation/asked_by", "segmentation/reason"
"""Tags of a run that a command or a sensor asked for: which one, and why."""

REQUESTED = "segmentation/requested"
"""Tag of a run for a date that somebody named."""

ASKED_BY_TAGS = (ASKED_BY, "dagster/schedule_name", "dagster/sensor_name")

Clock = dg.ResourceParam[Callable[[], datetime]]
"""Tells the present moment, in UTC without a zone."""


class WarehouseResource(DuckDBResource):
    """An in-memory DuckDB with the lake attached, opened once per process and brought up to the schema.

    Where the lake is comes from `SEGMENTATION_*`; `overrides` win over it.
    """

    database: str = Field(default=":memory:", description="DuckDB only computes; tables live in the lake.")
    overrides: dict[str, Any] = Field(default={}, description="Settings that win over the environment.")
    _lake: Lake | None = PrivateAttr(default=None)

    def setup_for_execution(self, context: dg.InitResourceContext) -> None:  # noqa: ARG002 (Dagster's signature)
        """Open the lake for the steps of this process."""
        self._lake = Lake(self.settings())
        migrate(self._lake)

    def teardown_after_execution(self, context: dg.InitResourceContext) -> None:  # noqa: ARG002 (Dagster's signature)
        """Close the lake."""
        if self._lake is not None:
            self._lake.close()
            self._lake = None

    def settings(self) -> Settings:
        """The settings that runs use."""
        return load_settings(**self.overrides)

    @property
    def lake(self) -> Lake:
        """The open lake.

        Raises:
            SegmentationError: Used outside a run.
        """
        if self._lake is None:
            raise SegmentationError("The lake is open only while a run executes.")
        return self._lake

    @contextmanager
    def get_connection(self) -> Iterator[duckdb.DuckDBPyConnection]:
        """A connection whose default catalog is the lake."""
        with self.lake.cursor() as con:
            yield con


def commit_of(context: dg.AssetExecutionContext, asset: str, **details: object) -> Commit:
    """The commit message of an asset's write: asset, partition and run."""
    partition = _partition(context)
    return Commit(
        f"{asset} {partition}".strip(),
        asset,
        partition,
        context.run.run_id,
        asked_by_of(context.run.tags),
        REQUESTED in context.run.tags,
        details,
    )


def asked_by_of(tags: Mapping[str, str]) -> str:
    """Who asked for a run, by its tags: our own one, else Dagster's of schedules, sensors and automation."""
    return next((tags[name] for name in ASKED_BY_TAGS if name in tags), "a person in Dagster")


def _partition(context: dg.AssetExecutionContext) -> str:
    if not context.has_partition_key_range:
        return ""
    keys = context.partition_key_range
    return keys.start if keys.start == keys.end else f"{keys.start}…{keys.end}"
