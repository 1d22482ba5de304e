"""Deliveries: what was pushed or streamed into the lake is told to Dagster, which did not bring it."""

import json
from collections.abc import Sequence

import dagster as dg

from segmentation.settings import Settings
from segmentation.sources.config import SourceConfig
from segmentation.sources.incremental.delivery_totals import DeliveryTotals, read_totals
from segmentation.warehouse import Lake
from segmentation.warehouse.schema import migrate
from segmentation_assets.assets.sources import is_read
from segmentation_assets.keys import source_key


def build_deliveries(settings: Settings, sources: Sequence[SourceConfig]) -> dg.SensorDefinition:
    """The sensor that tells of sources that come by themselves."""
    names = [source.name for source in sources if not is_read(source)]

    @dg.sensor(
        minimum_interval_seconds=30,
        default_status=dg.DefaultSensorStatus.RUNNING,
        description="What was pushed or streamed into the lake is told as materializations of its source.",
    )
    def deliveries(context: dg.SensorEvaluationContext) -> dg.SensorResult | dg.SkipReason:
        if not names:
            return dg.SkipReason(f"{settings.sources} declares no source of type push or kafka")
        return tell_deliveries(context, settings, names)

    return deliveries


def tell_deliveries(
    context: dg.SensorEvaluationContext, settings: Settings, names: Sequence[str]
) -> dg.SensorResult | dg.SkipReason:
    """Tell of what has come since the last look, by source."""
    told: dict[str, list[int]] = json.loads(context.cursor) if context.cursor else {}
    with Lake(settings) as lake:
        migrate(lake)
        with lake.cursor() as con:
            found = read_totals(con, names)
    fresh = [total for total in found if told.get(total.source) != total.counts]
    if not fresh:
        return dg.SkipReason("nothing was delivered")
    events = [_event(total, told.get(total.source, [0] * len(total.counts))) for total in fresh]
    return dg.SensorResult(
        asset_events=events, cursor=json.dumps(told | {total.source: total.counts for total in fresh})
    )


def _event(total: DeliveryTotals, told: Sequence[int]) -> dg.AssetMaterialization:
    since = {name: now - before for (name, now), before in zip(total.named(), told, strict=True)}
    return dg.AssetMaterialization(
        source_key(total.source),
        metadata={**since, "lines_in_all": total.lines_new, "last_delivery": str(total.last_at)},
    )
