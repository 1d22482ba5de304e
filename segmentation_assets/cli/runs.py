"""Runs started from the command line: in this process, on the same instance that the UI shows."""

import logging
import os
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import dagster as dg

from segmentation.errors import SegmentationError
from segmentation.private_files import make_private_folder
from segmentation.settings import Settings
from segmentation.snapshots.cadence import Cadence
from segmentation.sources.batch.registration import Registration
from segmentation.sources.reading import Reading
from segmentation_assets.assets.raw import IS_LOADED
from segmentation_assets.assets.sources import metadata_of
from segmentation_assets.automation.jobs import JOBS
from segmentation_assets.dagster_internals.names import ACTIVE_PLAN_LOGGER
from segmentation_assets.definitions import build_present_definitions
from segmentation_assets.event_log import batched_events, open_instance
from segmentation_assets.keys import CHAMPION_KEY, SOURCE_FILES_KEY, source_key
from segmentation_assets.progress import Listener, listener
from segmentation_assets.run_errors import root_cause

QUIET = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}
SKIPPED_CHECKS = logging.getLogger(ACTIVE_PLAN_LOGGER)
"""Warns of each check that a skipped step left out, in the midst of a progress bar."""


@dataclass(frozen=True)
class RunEnd:
    """How a run ended that did not fail.

    Attributes:
        notes: The checks that failed without blocking, and what steps observed, described.
        outcome: What became of a candidate that didn't simply serve, as `lifecycle.Outcome`; empty if there was none.
        why: The same in sentences.
    """

    notes: list[str]
    outcome: str = ""
    why: str = ""


def dagster_home(settings: Settings) -> Path:
    """The instance's folder: `DAGSTER_HOME`, else `dagster` under the platform's home; made if there is none."""
    folder = Path(os.environ.get("DAGSTER_HOME") or settings.home / "dagster").absolute()
    make_private_folder(folder)
    config = folder / "dagster.yaml"
    project_config = Path(__file__).parents[2] / "dagster.yaml"
    if not config.exists() and project_config.exists():
        shutil.copyfile(project_config, config)
    return folder


def run(
    settings: Settings,
    keys: Sequence[dg.AssetKey],
    *,
    partition_key: str | None = None,
    tags: Mapping[str, str] | None = None,
    config: Mapping[str, Any] | None = None,
    on_progress: Listener | None = None,
    cadence: Cadence | None = None,
) -> RunEnd:
    """Materialize assets in this process and wait for them, as a run of the job that is made for them.

    Args:
        settings: Where the instance is.
        keys: What to materialize; all of one partitioning, or none.
        partition_key: The partition, if they are partitioned.
        tags: Run tags, such as a range of partitions.
        config: Run config of the assets' ops.
        on_progress: Told of progress inside long steps, and of each asset that is done.
        cadence: Of the dates that partitions are made for; the setting if None. With `daily` there is any date.

    Raises:
        SegmentationError: A step failed, or a blocking check did; the message is the step's own.
    """
    token = listener.set(on_progress)
    SKIPPED_CHECKS.setLevel(logging.ERROR)
    try:
        with batched_events(), open_instance(dagster_home(settings)) as instance:
            job = _job_of(build_present_definitions(settings, cadence=cadence), keys)
            result = job.execute_in_process(
                instance=instance,
                asset_selection=list(keys),
                partition_key=partition_key,
                tags=dict(tags or {}),
                run_config={**QUIET, **({"ops": dict(config)} if config else {})},
                raise_on_error=False,
            )
    finally:
        listener.reset(token)
    failed = [check for check in result.get_asset_check_evaluations() if not check.passed]
    if not result.success:
        raise SegmentationError(_why(result, failed))
    observed = _observations(result)
    decided = next((each for each in observed if each.asset_key == CHAMPION_KEY and each.description), None)
    why = (decided.description or "") if decided else ""
    notes = [_describe(check) for check in failed if not check.description or check.description not in why]
    notes += [f"{each.asset_key.to_user_string()}: {each.description}" for each in observed if each.description]
    outcome = decided.metadata["outcome"].value if decided else ""
    return RunEnd(notes, str(outcome), why)


def _job_of(definitions: dg.Definitions, keys: Sequence[dg.AssetKey]) -> dg.JobDefinition:
    """The job with the fewest assets among those that have these; Dagster's hidden one for assets if none has."""
    graph = definitions.resolve_asset_graph()
    selected = {job.name: job.selection.resolve(graph) for job in JOBS}
    fitting = [name for name, assets in selected.items() if assets >= set(keys)]
    if not fitting:
        return definitions.resolve_implicit_global_asset_job_def()
    return definitions.resolve_job_def(min(fitting, key=lambda name: len(selected[name])))


def _observations(result: dg.ExecuteInProcessResult) -> list[dg.AssetObservation]:
    """What steps had to say beside what they materialized, such as a candidate that waits."""
    return [event.asset_observation_data.asset_observation for event in result.filter_events(_is_observation)]


def _is_observation(event: dg.DagsterEvent) -> bool:
    return event.event_type is dg.DagsterEventType.ASSET_OBSERVATION


def report_registration(settings: Settings, registered: Registration) -> None:
    """Let the UI know of files that a command registered and loaded."""
    with open_instance(dagster_home(settings)) as instance:
        instance.report_runless_asset_event(
            dg.AssetMaterialization(
                SOURCE_FILES_KEY,
                metadata={"source": registered.source, "lines": registered.line_count, IS_LOADED: True},
            )
        )


def report_readings(settings: Settings, readings: Mapping[str, Reading]) -> None:
    """Let the UI know of sources that a command has read, and whose days it has loaded."""
    with open_instance(dagster_home(settings)) as instance:
        for name, reading in readings.items():
            metadata = {**metadata_of(reading), IS_LOADED: dg.MetadataValue.bool(True)}
            instance.report_runless_asset_event(dg.AssetMaterialization(source_key(name), metadata=metadata))


def _why(result: dg.ExecuteInProcessResult, failed: Sequence[dg.AssetCheckEvaluation]) -> str:
    blocking = [check for check in failed if check.blocking]
    if blocking:
        checks = "\n".join(f"  {_describe(check)}" for check in blocking)
        return f"Checks stopped the run {result.run_id} before anything downstream changed:\n{checks}"
    for event in result.get_step_failure_events():
        info = event.step_failure_data.error
        if info:
            return root_cause(info)
    return f"Run {result.run_id} failed; the Dagster UI shows its log."


def _describe(check: dg.AssetCheckEvaluation) -> str:
    details = check.description or ", ".join(f"{name} {value.value}" for name, value in check.metadata.items())
    return f"{check.asset_key.to_user_string()}: {check.check_name}: {details}"
