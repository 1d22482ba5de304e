"""The code location: the graph of an installation, built from its settings. Wiring only."""

from collections.abc import Callable, Sequence
from datetime import datetime
from functools import partial

import dagster as dg

from segmentation.clock import utc_now
from segmentation.settings import Settings, load_settings
from segmentation.snapshots.cadence import Cadence
from segmentation.snapshots.coverage import Coverage, coverage_at
from segmentation.sources.config import SourceConfig, declared_sources
from segmentation_assets.assets.features import build_feature_assets
from segmentation_assets.assets.monitoring import build_monitoring_assets
from segmentation_assets.assets.predictions import build_prediction_assets
from segmentation_assets.assets.raw import build_raw_assets
from segmentation_assets.assets.segments import build_segment_assets
from segmentation_assets.assets.sources import build_source_assets
from segmentation_assets.assets.training import build_training_assets
from segmentation_assets.assets.warehouse import maintenance
from segmentation_assets.automation.jobs import JOBS
from segmentation_assets.automation.on_demand import snapshot_on_demand
from segmentation_assets.automation.schedules import build_schedules
from segmentation_assets.automation.sensors import build_sensors
from segmentation_assets.checks import features, monitoring, predictions, raw, segments, training, warehouse
from segmentation_assets.checks.sources import build_checks
from segmentation_assets.keys import source_key
from segmentation_assets.partitions import build_partitions
from segmentation_assets.policies import with_policies
from segmentation_assets.resources import WarehouseResource


def build_definitions(
    settings: Settings,
    *,
    coverage: Coverage,
    sources: Sequence[SourceConfig] = (),
    now: Callable[[], datetime] = utc_now,
    cadence: Cadence | None = None,
) -> dg.Definitions:
    """The graph of an installation.

    Args:
        settings: Of the installation; runs read them anew, from the environment.
        coverage: Which days its data has; partitions are made for them.
        sources: What `sources.yaml` declares.
        now: Tells the time (UTC), to assets, checks and sensors.
        cadence: Of the `as_of` dates; the setting if None. With `daily` any date can be asked for.
    """
    partitions = build_partitions(settings, coverage, cadence)
    assets = [
        *build_source_assets(sources),
        *build_raw_assets(partitions, [source_key(source.name) for source in sources]),
        *build_feature_assets(partitions),
        *build_prediction_assets(partitions),
        *build_training_assets(),
        *build_segment_assets(partitions),
        *build_monitoring_assets(partitions),
        maintenance,
    ]
    return dg.Definitions(
        assets=dg.with_source_code_references(dg.map_asset_specs(partial(with_policies, settings.cadence), assets)),
        asset_checks=[
            *(check for source in sources for check in build_checks(source)),
            *raw.CHECKS,
            *features.CHECKS,
            *predictions.CHECKS,
            *training.CHECKS,
            *segments.CHECKS,
            *monitoring.CHECKS,
            *warehouse.CHECKS,
        ],
        jobs=[*JOBS, snapshot_on_demand],
        schedules=build_schedules(sources),
        sensors=build_sensors(settings, sources, now),
        resources={"warehouse": WarehouseResource(), "clock": now},
        # One process per run, not one per step as well: starting one takes longer than most steps work.
        executor=dg.in_process_executor,
    )


def build_present_definitions(
    settings: Settings, *, now: Callable[[], datetime] = utc_now, cadence: Cadence | None = None
) -> dg.Definitions:
    """The graph of an installation as its data and its `sources.yaml` are now; arguments as `build_definitions`."""
    sources = list(declared_sources(settings).values())
    coverage = coverage_at(settings, now())
    return build_definitions(settings, coverage=coverage, sources=sources, now=now, cadence=cadence)


@dg.definitions
def defs() -> dg.Definitions:
    """What Dagster loads: the graph of this environment's installation."""
    return build_present_definitions(load_settings())
