"""`/health/live`, `/health/ready` and `/metrics`: for whatever restarts the process and watches it."""

from http import HTTPStatus

from litestar import Response, get
from litestar.di import NamedDependency

from segmentation.access.keys import Scope
from serving.api.contract import Alive, Ready
from serving.api.problems import problem_responses, refusals
from serving.live.champion import LiveChampion
from serving.metrics import CONTENT_TYPE, Metrics
from serving.middleware.auth import needs, public


@get("/health/live", tags=["Health"], summary="Does the process answer?", operation_id="live", **public())
async def live() -> Alive:
    """Answer at all."""
    return Alive("alive")


@get(
    "/health/ready",
    tags=["Health"],
    summary="Is there a model to answer with?",
    description="Ready, though marked stale, while the lake can't be read: the last good model goes on serving.",
    operation_id="ready",
    responses=problem_responses(HTTPStatus.SERVICE_UNAVAILABLE),
    **public(),
)
async def ready(live: NamedDependency[LiveChampion]) -> Ready:
    """Answer with the version that serves; without one, the problem says why."""
    return Ready("ready", live.champion().model.version, live.is_stale, live.reason)


@get(
    "/metrics",
    tags=["Health"],
    summary="Figures for Prometheus",
    description="Rate, errors and duration of requests, and the state of the model; of all worker processes.",
    operation_id="metrics",
    media_type="text/plain",
    responses=refusals(),
    **needs(Scope.READ),
)
async def metrics(metrics: NamedDependency[Metrics]) -> Response[bytes]:
    """Answer in Prometheus' text format."""
    return Response(metrics.exposition(), headers={"content-type": CONTENT_TYPE})
