"""`POST /v1/score`: features in, segments out. `POST /v1/score/transactions`: order lines in, segments out."""

from http import HTTPStatus
from typing import Annotated

from anyio import CapacityLimiter, to_thread
from litestar import Response, post
from litestar.di import NamedDependency
from litestar.openapi import ResponseSpec
from litestar.openapi.spec import OpenAPIFormat, OpenAPIMediaType, OpenAPIType, Schema
from litestar.params import QueryParameter

from segmentation.access.keys import Scope
from segmentation.settings import Settings
from serving.api.bodies import JSON, MSGPACK, Language, json_decoder
from serving.api.contract import ScoreAnswer, ScoreRequest, TransactionsAnswer, TransactionsRequest
from serving.api.limits import bare, read_body, read_json, read_rows, unknown_type
from serving.api.problems import AnyRequest, ProblemError, refusals
from serving.live.champion import LiveChampion
from serving.metrics import Metrics
from serving.middleware.auth import needs
from serving.routes.openapi import SCORE_EXAMPLES, body_of
from serving.services import arrow
from serving.services.predictions import LivePredictions
from serving.services.scoring import SMALL_BYTES, Scorer
from serving.services.transaction_scoring import LineScorer

LANGUAGES: dict[str, Language | None] = {
    arrow.MEDIA_TYPE: None,
    **{media_type: each for each in (JSON, MSGPACK) for media_type in (each.media_type, *each.aliases)},
}
"""By media type; Arrow holds columns rather than rows."""

REFUSALS = (HTTPStatus.CONFLICT, HTTPStatus.REQUEST_ENTITY_TOO_LARGE, HTTPStatus.UNSUPPORTED_MEDIA_TYPE)

OTHER_KINDS = [
    (kind, OpenAPIMediaType(schema=Schema(type=OpenAPIType.STRING, format=OpenAPIFormat.BINARY)))
    for kind in (MSGPACK.media_type, arrow.MEDIA_TYPE)
]

Predict = Annotated[
    bool,
    QueryParameter(description="Also say what to expect of each customer; costs about a millisecond a request more."),
]

_bulk = CapacityLimiter(1)
_decode_transactions = json_decoder(TransactionsRequest)


@post(
    "/v1/score",
    status_code=HTTPStatus.OK,
    media_type=JSON.media_type,
    tags=["Scoring"],
    summary="Score customers",
    description="The champion's segment for each of the given customers, in their order. The body is JSON, MessagePack "
    "or, for many, an Arrow IPC stream; the answer is what `Accept` says, or of the same kind.",
    operation_id="score",
    operation_class=body_of(ScoreRequest, *OTHER_KINDS),
    responses={
        HTTPStatus.OK: ResponseSpec(
            ScoreAnswer, generate_examples=False, description="A score per customer.", examples=SCORE_EXAMPLES
        ),
        **refusals(HTTPStatus.NOT_ACCEPTABLE, *REFUSALS),
    },
    **needs(Scope.SCORE),
)
async def score_customers(
    request: AnyRequest,
    live: NamedDependency[LiveChampion],
    scorer: NamedDependency[Scorer],
    metrics: NamedDependency[Metrics],
    settings: NamedDependency[Settings],
    predictions: NamedDependency[LivePredictions],
    lines: NamedDependency[LineScorer],
    predict: Predict = False,
) -> Response[bytes]:
    """Take bytes and answer with bytes: Litestar has nothing to convert. Small JSON bodies take `express`."""
    given = _language(request.headers.get("content-type", ""), "Content-Type", HTTPStatus.UNSUPPORTED_MEDIA_TYPE)
    wanted = _wanted(request.headers.get("accept", "*/*"), given)
    if predict:
        return await _with_predictions(request, live, scorer, settings, predictions, lines, given, wanted)
    if given is None or wanted is None:
        body = await read_body(request, settings.max_arrow_bytes, "SEGMENTATION_MAX_ARROW_BYTES")
        answer = await to_thread.run_sync(
            arrow.score, live.champion(), body, settings.max_arrow_rows, metrics, limiter=_bulk
        )
        return Response(answer, media_type=arrow.MEDIA_TYPE)
    body = await read_rows(request, settings)
    if len(body) <= SMALL_BYTES:
        answer = scorer.at_once(live.champion(), body, given, wanted)
    else:
        answer = await scorer.in_slices(live.champion(), body, given, wanted)
    return Response(answer, media_type=wanted.media_type)


@post(
    "/v1/score/transactions",
    status_code=HTTPStatus.OK,
    tags=["Scoring"],
    summary="Score order lines",
    description="The champion's segment of each customer in the given order lines, which need not be in the lake. "
    "Features are computed by the very SQL of the pipeline.",
    operation_id="scoreTransactions",
    operation_class=body_of(TransactionsRequest),
    responses=refusals(*REFUSALS),
    **needs(Scope.SCORE),
)
async def score_transactions(
    request: AnyRequest,
    live: NamedDependency[LiveChampion],
    lines: NamedDependency[LineScorer],
    settings: NamedDependency[Settings],
    predictions: NamedDependency[LivePredictions],
    predict: Predict = False,
) -> TransactionsAnswer:
    """Decode strictly, and compute in a worker thread."""
    wanted = _decode_transactions(await read_json(request, settings))
    return await lines.score(live.champion(), wanted, predictions.required if predict else None)


async def _with_predictions(
    request: AnyRequest,
    live: LiveChampion,
    scorer: Scorer,
    settings: Settings,
    predictions: LivePredictions,
    lines: LineScorer,
    given: Language | None,
    wanted: Language | None,
) -> Response[bytes]:
    if given is None or wanted is None:
        raise ProblemError(
            HTTPStatus.BAD_REQUEST, "invalid-request", "Predictions are answered as JSON or MessagePack, not as Arrow."
        )
    body, champion = await read_rows(request, settings), live.champion()
    answer = await to_thread.run_sync(
        scorer.with_predictions, champion, predictions.required, body, given, wanted, lines.tomorrow(), limiter=_bulk
    )
    return Response(answer, media_type=wanted.media_type)


def _language(given: str, header: str, status: HTTPStatus) -> Language | None:
    kind = bare(given)
    if kind not in LANGUAGES:
        raise unknown_type(given, header, status, ", ".join((JSON.media_type, MSGPACK.media_type, arrow.MEDIA_TYPE)))
    return LANGUAGES[kind]


def _wanted(accept: str, given: Language | None) -> Language | None:
    """The language of the answer: the given one if that will do, else the first acceptable one; rows stay rows."""
    accepted = [bare(part) for part in accept.split(",")]
    mine = [media_type for media_type, language in LANGUAGES.items() if language is given]
    if any(part in {*mine, "*/*", "application/*"} for part in accepted):
        return given
    others = [LANGUAGES[part] for part in accepted if part in LANGUAGES]
    if given is None or not others or others[0] is None:
        kinds = arrow.MEDIA_TYPE if given is None else f"{JSON.media_type}, {MSGPACK.media_type}"
        raise unknown_type(accept, "Accept", HTTPStatus.NOT_ACCEPTABLE, kinds)
    return others[0]
