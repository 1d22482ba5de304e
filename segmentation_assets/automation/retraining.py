"""Retraining: a new model where monitoring finds the champion degraded."""

from collections.abc import Callable
from datetime import datetime

import dagster as dg

from segmentation.errors import NoLakeError
from segmentation.monitoring.retraining import Request, decide, read_state
from segmentation.settings import Settings
from segmentation.warehouse import Lake
from segmentation_assets.automation.jobs import retrain
from segmentation_assets.resources import ASKED_BY, REASON


def build_degraded_model(settings: Settings, now: Callable[[], datetime]) -> dg.SensorDefinition:
    """The sensor that asks for a training."""

    @dg.sensor(
        job=retrain,
        minimum_interval_seconds=3600,
        default_status=dg.DefaultSensorStatus.RUNNING,
        description="A new model if monitoring finds the champion degraded, or customers behaving otherwise than when "
        "it was trained, for several snapshots in a row; not if data is in doubt.",
    )
    def degraded_model(context: dg.SensorEvaluationContext) -> dg.SensorResult | dg.SkipReason:
        return ask_for_training(context, settings, now())

    return degraded_model


def ask_for_training(
    context: dg.SensorEvaluationContext, settings: Settings, now: datetime
) -> dg.SensorResult | dg.SkipReason:
    """Ask for a training, once per finding and not within the cool-down; say why if not."""
    try:
        with Lake(settings, read_only=True) as lake, lake.cursor() as con:
            state = read_state(con, settings.quiet_days)
    except NoLakeError as error:
        return dg.SkipReason(str(error))
    asked = Request.from_json(context.cursor) if context.cursor else None
    answer = decide(
        state,
        asked,
        now=now,
        cooldown_days=settings.retrain_cooldown_days,
        in_a_row=settings.retrain_after_snapshots,
    )
    if isinstance(answer, str):
        return dg.SkipReason(answer)
    context.log.info(f"A new model, because of {answer.reason}")
    request = dg.RunRequest(
        run_key=f"model {answer.version} as of {answer.as_of}",
        tags={REASON: answer.reason, ASKED_BY: "degraded_model"},
    )
    return dg.SensorResult([request], cursor=answer.to_json())
