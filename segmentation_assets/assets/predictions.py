"""Predictions: what to expect of each customer of a snapshot."""

import base64
from collections.abc import Iterator
from datetime import date

import dagster as dg
import numpy as np

from segmentation.metadata.tables.predictions import CUSTOMER_PREDICTIONS, PREDICTION_MODELS
from segmentation.modeling.plots.calibration import calibration_plot
from segmentation.modeling.plots.charts import figures_available
from segmentation.predictions.backtest import Outturn, bins_of
from segmentation.predictions.snapshot import WrittenPredictions, write_predictions
from segmentation_assets.assets.declaring import declare, table_spec
from segmentation_assets.automation.conditions import WHEN_SOUND
from segmentation_assets.keys import CUSTOMER_FEATURES_KEY, table_key
from segmentation_assets.metadata import markdown_table, preview
from segmentation_assets.partitions import Partitions
from segmentation_assets.resources import WarehouseResource, commit_of
from segmentation_assets.row_counts import report_by_partition, report_snapshots

TABLES = (CUSTOMER_PREDICTIONS, PREDICTION_MODELS)


def build_prediction_assets(partitions: Partitions) -> list[dg.AssetsDefinition]:
    """Predictions of a snapshot, and what they were made from; nothing of segments is needed for them."""
    specs = [table_spec(table, [CUSTOMER_FEATURES_KEY], ["ducklake"], condition=WHEN_SOUND) for table in TABLES]
    return [declare(customer_predictions, *specs, partitions=partitions.as_of)]


def customer_predictions(
    context: dg.AssetExecutionContext, warehouse: WarehouseResource
) -> Iterator[dg.MaterializeResult[None]]:
    """Say what to expect of every customer of the run's dates."""
    for key in context.partition_keys:
        commit = commit_of(context, "segments/customer_predictions", as_of=key)
        written = write_predictions(warehouse.lake, date.fromisoformat(key), commit)
        with warehouse.get_connection() as con:
            rows = preview(con, CUSTOMER_PREDICTIONS, f"as_of = DATE '{key}'")
        picture = _picture(written) if key == context.partition_keys[-1] else {}
        metadata = {"preview": rows, **_totals(written), **picture}
        report_by_partition(context, CUSTOMER_PREDICTIONS, {key: metadata})
        report_by_partition(context, PREDICTION_MODELS, {key: _of_model(written)})
    with warehouse.get_connection() as con:
        report_snapshots(context, con, *TABLES)
        for table in TABLES:
            yield dg.MaterializeResult(asset_key=table_key(table))


def _totals(written: WrittenPredictions) -> dict[str, object]:
    columns = ("expected_orders_90d", "expected_revenue_90d")
    return dict(zip(columns, written.predicted.select(columns).sum().row(0), strict=True))


def _picture(written: WrittenPredictions) -> dict[str, object]:
    """How predictions of the newest past date turned out; nothing where there is none, or no matplotlib."""
    if not written.past or not figures_available():
        return {}
    newest = written.past[0]
    image = calibration_plot(
        f"Predicted as of {newest.as_of}, and what came in 90 days",
        bins_of(1.0 - newest.none, (newest.orders > 0).astype(np.float64)),
        bins_of(newest.expected_orders, newest.orders),
    )
    encoded = base64.b64encode(image).decode()
    return {"calibration": dg.MetadataValue.md(f"![calibration](data:image/png;base64,{encoded})")}


def _of_model(written: WrittenPredictions) -> dict[str, object]:
    model = written.model
    measures = [_row(each) for each in written.past]
    header = list(measures[0]) if measures else []
    return {
        "regression_share": model.regression_share,
        "model_hash": model.hash(),
        "past dates": dg.MetadataValue.md(markdown_table(header, [list(row.values()) for row in measures])),
    }


def _row(outturn: Outturn) -> dict[str, object]:
    return {"as of": outturn.as_of, **outturn.measures()}
