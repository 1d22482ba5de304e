"""`GET /v1/models/current`: which model answers, and where it came from."""

from datetime import UTC
from http import HTTPStatus

from litestar import get
from litestar.di import NamedDependency

from serving.champion import ChampionFollower
from serving.contract import ModelAnswer
from serving.problems import problem_responses


@get(
    "/v1/models/current",
    tags=["Models"],
    summary="The model that answers",
    description="Version, hash, features with their rules, metrics and provenance. Answers without the warehouse.",
    operation_id="currentModel",
    responses=problem_responses(HTTPStatus.SERVICE_UNAVAILABLE),
)
async def current_model(follower: NamedDependency[ChampionFollower]) -> ModelAnswer:
    """Answer from the champion in memory."""
    model = follower.champion().model
    return ModelAnswer(
        version=model.version,
        model_hash=model.model_hash,
        as_of=model.artefact.provenance.as_of,
        created_at=model.created_at.replace(tzinfo=UTC),
        aliases=model.aliases,
        features=model.artefact.rules,
        metrics=model.metrics,
        provenance=model.artefact.provenance,
    )
