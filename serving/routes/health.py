"""`/health/live` and `/health/ready`: for whatever restarts the process and sends it traffic."""

from http import HTTPStatus

from litestar import get
from litestar.di import NamedDependency

from serving.champion import ChampionFollower
from serving.contract import Alive, Ready
from serving.problems import problem_responses


@get("/health/live", tags=["Health"], summary="Does the process answer?", operation_id="live")
async def live() -> Alive:
    """Answer at all."""
    return Alive("alive")


@get(
    "/health/ready",
    tags=["Health"],
    summary="Is there a model to answer with?",
    operation_id="ready",
    responses=problem_responses(HTTPStatus.SERVICE_UNAVAILABLE),
)
async def ready(follower: NamedDependency[ChampionFollower]) -> Ready:
    """Answer with the version that serves; without one, the problem says why."""
    return Ready("ready", follower.champion().model.version)
