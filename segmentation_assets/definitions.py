"""The code location: wiring only."""

import dagster as dg

from segmentation_assets.assets.features import features
from segmentation_assets.assets.monitoring import monitoring
from segmentation_assets.assets.raw import products, source_files, transactions
from segmentation_assets.assets.segments import (
    customer_segments,
    segment_explanations,
    segment_movement,
    segment_profiles,
)
from segmentation_assets.assets.sources import SOURCES
from segmentation_assets.assets.training import candidate_model, champion_model, training_set
from segmentation_assets.assets.warehouse import maintenance
from segmentation_assets.automation.notifications import notifications
from segmentation_assets.automation.run_traces import run_traces
from segmentation_assets.automation.schedules import SCHEDULES
from segmentation_assets.automation.sensors import SENSORS
from segmentation_assets.checks import features as feature_checks
from segmentation_assets.checks import monitoring as monitoring_checks
from segmentation_assets.checks import raw as raw_checks
from segmentation_assets.checks import segments as segment_checks
from segmentation_assets.checks import sources as source_checks
from segmentation_assets.checks import training as training_checks
from segmentation_assets.jobs import JOBS
from segmentation_assets.resources import WarehouseResource

defs = dg.Definitions(
    assets=[
        *SOURCES,
        source_files,
        transactions,
        products,
        features,
        training_set,
        candidate_model,
        champion_model,
        customer_segments,
        segment_profiles,
        segment_movement,
        segment_explanations,
        monitoring,
        maintenance,
    ],
    asset_checks=[
        *source_checks.CHECKS,
        *raw_checks.CHECKS,
        *feature_checks.CHECKS,
        *training_checks.CHECKS,
        *segment_checks.CHECKS,
        *monitoring_checks.CHECKS,
    ],
    jobs=JOBS,
    schedules=SCHEDULES,
    sensors=[*SENSORS, notifications, run_traces],
    resources={"warehouse": WarehouseResource()},
)
