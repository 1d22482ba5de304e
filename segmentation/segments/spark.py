"""Assignment on Spark: the artefact's NumPy evaluation on executors, from the lake's files and back into the lake."""

from collections.abc import Mapping
from contextlib import ExitStack
from datetime import date
from functools import partial
from typing import TYPE_CHECKING

import duckdb

from segmentation.errors import NotEnoughDataError
from segmentation.metadata.tables.features import CUSTOMER_FEATURES
from segmentation.metadata.tables.segments import (
    CUSTOMER_SEGMENTS,
    IS_OF_MODEL,
    MODEL,
    SEGMENTATION,
    SEGMENTATION_VERSION,
)
from segmentation.modeling.artefact import Artefact
from segmentation.modeling.feature_matrix import no_snapshot
from segmentation.modeling.registry import ModelVersion
from segmentation.segmentations.versions import DefinitionVersion
from segmentation.segments.columns import NOBODY, Hysteresis, lacks_a_feature
from segmentation.segments.names import rename_written
from segmentation.segments.own_segments import stage_own_segments
from segmentation.segments.spark_batches import BEFORE, assign_batches
from segmentation.spark.executors import failures_told
from segmentation.spark.lake_files import hand_over, in_files, persisted, pin, read_table, spark_type
from segmentation.spark.session import spark_session
from segmentation.warehouse import Commit, Lake
from segmentation.warehouse.ledger import MadeOf, record

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

ADD_OWN = f"INSERT INTO {CUSTOMER_SEGMENTS.name} BY NAME SELECT $as_of AS as_of, * FROM temp.own_segments"


def write_segments(
    lake: Lake,
    as_of: date,
    champion: ModelVersion,
    definitions: Mapping[str, DefinitionVersion],
    made_of: MadeOf,
    commit: Commit,
) -> int:
    """Assign every customer of a snapshot to their segments and replace that snapshot in the lake.

    Conditions of definitions are DuckDB's SQL: DuckDB asks them, of what Spark has written, in the same commit.

    Args:
        lake: A writable lake.
        as_of: The snapshot.
        champion: The model that decides.
        definitions: The definitions that decide besides, by name.
        made_of: What it is made of; the snapshot before that it names counts.
        commit: What the lake's commit says about itself.

    Returns:
        How many customers there are.

    Raises:
        SegmentationError: There is no such snapshot, Spark doesn't start, or can't read the lake's files.
    """
    previous = made_of.previous_as_of
    files, files_before = pin(lake, CUSTOMER_FEATURES), pin(lake, CUSTOMER_SEGMENTS)
    with spark_session(lake.settings) as spark, ExitStack() as held:
        features = read_table(spark, CUSTOMER_FEATURES, files).where(f"as_of = DATE '{as_of}'")
        before = read_table(spark, CUSTOMER_SEGMENTS, files_before).where(IS_OF_MODEL)
        before = before.where(f"as_of = DATE '{previous or as_of}'")
        if previous is None:
            before = before.limit(0)
        hysteresis = Hysteresis.of(lake.settings)
        assigned = persisted(assign(features, before, champion.artefact, champion.version, hysteresis), held)
        with failures_told():
            count = assigned.count()
        if not count:
            with lake.cursor() as con:
                raise NotEnoughDataError(no_snapshot(con, as_of))
        lacking = assigned.where("isnan(distance)").orderBy("customer_id").first()
        if lacking:
            raise lacks_a_feature(lacking["customer_id"], champion.version)

        def finish(con: duckdb.DuckDBPyConnection) -> None:
            rename_written(con, as_of, champion, commit, lake.clock())
            if definitions:
                stage_own_segments(con, as_of, definitions)
                con.execute(ADD_OWN, {"as_of": as_of})
            record(con, [CUSTOMER_SEGMENTS], as_of, made_of, commit, lake.clock())

        hand_over(
            lake,
            [CUSTOMER_SEGMENTS],
            as_of,
            commit,
            lambda folders: in_files(assigned, count).write.parquet(folders[CUSTOMER_SEGMENTS.name]),
            finish,
        )
    return count


def assign(
    features: "DataFrame", before: "DataFrame", artefact: Artefact, version: int, hysteresis: Hysteresis
) -> "DataFrame":
    """The model's rows of `segments.customer_segments`.

    Args:
        features: Rows of `features.customer_features`.
        before: The model's rows of the snapshot before.
        artefact: The model.
        version: Its version.
        hysteresis: What it takes to change segment.
    """
    values = [f"CAST({name} AS DOUBLE) AS {name}" for name in artefact.feature_names]
    then = [
        f"CAST(COALESCE(segment_id, {NOBODY}) AS BIGINT) AS {BEFORE[0]}",
        f"CAST(COALESCE(nearest_id, {NOBODY}) AS BIGINT) AS {BEFORE[1]}",
        f"nearest_since AS {BEFORE[2]}",
    ]
    known = before.select("customer_id", "segment_id", "nearest_id", "nearest_since")
    joined = features.join(known, on="customer_id", how="left").selectExpr("as_of", "customer_id", *values, *then)
    columns = [column for column in CUSTOMER_SEGMENTS.columns if column not in (SEGMENTATION, SEGMENTATION_VERSION)]
    schema = ", ".join(f"{column.name} {spark_type(column)}" for column in columns)
    evaluate = partial(assign_batches, artefact=artefact.to_json(), version=version, hysteresis=hysteresis)
    of_segmentation = [f"'{MODEL}' AS {SEGMENTATION.name}", f"CAST(NULL AS INT) AS {SEGMENTATION_VERSION.name}"]
    return joined.mapInArrow(evaluate, schema).selectExpr("*", *of_segmentation)
