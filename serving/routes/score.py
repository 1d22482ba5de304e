"""`POST /v1/score`: features in, segments out."""

from http import HTTPStatus

from litestar import post
from litestar.di import NamedDependency
from litestar.openapi import ResponseSpec

from serving.champion import ChampionFollower
from serving.contract import ScoreAnswer
from serving.openapi import EXAMPLE_ANSWER, ScoreOperation
from serving.problems import AnyRequest, ProblemError, problem_responses
from serving.scoring import score

MEDIA_TYPE = "application/json"


@post(
    "/v1/score",
    status_code=HTTPStatus.OK,
    media_type=MEDIA_TYPE,
    tags=["Scoring"],
    summary="Score customers",
    description="The champion's segment for each of the given customers, in their order.",
    operation_id="score",
    operation_class=ScoreOperation,
    responses={
        HTTPStatus.OK: ResponseSpec(
            ScoreAnswer, generate_examples=False, description="A score per customer.", examples=[EXAMPLE_ANSWER]
        ),
        **problem_responses(
            HTTPStatus.BAD_REQUEST,
            HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
            HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
            HTTPStatus.SERVICE_UNAVAILABLE,
        ),
    },
)
async def score_customers(request: AnyRequest, follower: NamedDependency[ChampionFollower]) -> bytes:
    """Take bytes and answer with bytes: Litestar has nothing to convert."""
    _require_json(request)
    body = await request.body()
    return score(follower.champion(), body)


def _require_json(request: AnyRequest) -> None:
    given = request.headers.get("content-type", "")
    if given.partition(";")[0].strip().lower() != MEDIA_TYPE:
        sent = f"is {given!r}" if given else "is missing"
        raise ProblemError(
            HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
            "unsupported-media-type",
            f"The Content-Type {sent}; send JSON, with `Content-Type: {MEDIA_TYPE}`.",
        )
