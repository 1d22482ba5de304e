"""`/v1/snapshots`: which dates customers were looked at as of, whether they are current, and asking for another."""

from datetime import date
from http import HTTPStatus
from typing import Annotated

from litestar import Response, get, post, route
from litestar.di import NamedDependency
from litestar.enums import HttpMethod
from litestar.openapi import ResponseSpec
from litestar.params import PathParameter

from segmentation.access.keys import Scope
from segmentation.settings import Settings
from serving.api.bodies import json_decoder
from serving.api.contract import SnapshotDetail, SnapshotRequestAnswer, SnapshotRequestBody, SnapshotsAnswer
from serving.api.limits import read_json
from serving.api.problems import AnyRequest, refusals
from serving.live.champion import LiveChampion
from serving.middleware.auth import needs
from serving.routes.openapi import body_of
from serving.services.snapshots import SnapshotService

PATH = "/v1/snapshots"

_decode = json_decoder(SnapshotRequestBody)


@route(
    PATH,
    http_method=[HttpMethod.OPTIONS],
    status_code=HTTPStatus.NO_CONTENT,
    include_in_schema=False,
    sync_to_thread=False,
    **needs(Scope.READ),
)
def snapshot_methods() -> Response[None]:
    """Which methods the path has; Litestar's own answer names that of the first function alone. Register it before."""
    return Response(None, status_code=HTTPStatus.NO_CONTENT, headers={"allow": "GET, OPTIONS, POST"})


@get(
    PATH,
    tags=["Snapshots"],
    summary="All snapshots",
    description="By date, whether each is current, and how far the data reaches, as `segmentation snapshots list`.",
    operation_id="snapshots",
    responses=refusals(HTTPStatus.CONFLICT),
    **needs(Scope.READ),
)
async def snapshots(ledger: NamedDependency[SnapshotService]) -> SnapshotsAnswer:
    """Answer from the ledger."""
    return await ledger.all()


@get(
    f"{PATH}/{{as_of:date}}",
    tags=["Snapshots"],
    summary="One snapshot",
    description="A date, table by table: what each was made of, by whom, and why it isn't current, as `segmentation "
    "snapshots show`.",
    operation_id="snapshot",
    responses=refusals(HTTPStatus.NOT_FOUND, HTTPStatus.CONFLICT),
    **needs(Scope.READ),
)
async def snapshot(
    as_of: Annotated[date, PathParameter(description="The date.")], ledger: NamedDependency[SnapshotService]
) -> SnapshotDetail:
    """Answer from the ledger."""
    return await ledger.one(as_of)


@post(
    PATH,
    status_code=HTTPStatus.ACCEPTED,
    tags=["Snapshots"],
    summary="Ask for a snapshot",
    description="Features, segments and all that is made of them as of any date that the data reaches. The lake keeps "
    "the request, and Dagster's sensor `requested_snapshots` runs it. For a date that is there and current, nothing is "
    "done.",
    operation_id="requestSnapshot",
    operation_class=body_of(SnapshotRequestBody),
    responses={
        HTTPStatus.OK: ResponseSpec(
            SnapshotRequestAnswer, generate_examples=False, description="It is there, and current."
        ),
        **refusals(
            HTTPStatus.CONFLICT,
            HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
            HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
            HTTPStatus.UNPROCESSABLE_ENTITY,
        ),
    },
    **needs(Scope.INGEST),
)
async def request_snapshot(
    request: AnyRequest,
    ledger: NamedDependency[SnapshotService],
    live: NamedDependency[LiveChampion],
    settings: NamedDependency[Settings],
) -> Response[SnapshotRequestAnswer]:
    """Take the request down, where a model serves: the first one is a person's decision."""
    wanted = _decode(await read_json(request, settings))
    live.champion()
    answer = await ledger.request(wanted.as_of, request.scope["user"].name)
    status = HTTPStatus.OK if answer.request_id is None else HTTPStatus.ACCEPTED
    return Response(answer, status_code=status, headers={"location": f"{PATH}/{answer.as_of}"})
