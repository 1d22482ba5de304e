"""`POST /v1/transactions`: order lines into the lake."""

import re
from collections.abc import Sequence
from hashlib import sha256
from http import HTTPStatus
from typing import Annotated

from anyio import to_thread
from litestar import post
from litestar.di import NamedDependency
from litestar.openapi import ResponseSpec
from litestar.openapi.spec import OpenAPIFormat, OpenAPIMediaType, OpenAPIType, Schema
from litestar.params import HeaderParameter, QueryParameter

from segmentation.access.keys import Scope
from segmentation.settings import Settings
from segmentation.sources.incremental.deliveries import Delivery
from segmentation.sources.readers.records import Record
from serving.api.bodies import JSON, json_decoder
from serving.api.contract import PushAnswer, PushRequest
from serving.api.limits import bare, read_body, read_rows, too_many, unknown_type
from serving.api.problems import AnyRequest, ProblemError, refusals
from serving.middleware.auth import needs
from serving.routes.openapi import body_of
from serving.services import arrow
from serving.services.arrow_lines import ROWS_SETTING, read_lines
from serving.services.pushing import Pusher

KEY = re.compile(r"[\x21-\x7e]{1,200}")
PLACE = "push"

ARROW_BODY = (
    arrow.MEDIA_TYPE,
    OpenAPIMediaType(schema=Schema(type=OpenAPIType.STRING, format=OpenAPIFormat.BINARY)),
)

_decode = json_decoder(PushRequest)


@post(
    "/v1/transactions",
    status_code=HTTPStatus.OK,
    tags=["Transactions"],
    summary="Deliver order lines",
    description="Each line is in the lake, or among the rejects with a reason, when the answer comes. A line whose "
    "`line_id` is there already takes its place if anything differs, and changes nothing if not; so what was sent "
    "without getting an answer can be sent again.",
    operation_id="pushTransactions",
    operation_class=body_of(PushRequest, ARROW_BODY),
    responses={
        HTTPStatus.OK: ResponseSpec(PushAnswer, generate_examples=False, description="What became of the lines."),
        **refusals(
            HTTPStatus.NOT_FOUND,
            HTTPStatus.CONFLICT,
            HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
            HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
            HTTPStatus.UNPROCESSABLE_ENTITY,
        ),
    },
    **needs(Scope.INGEST),
)
async def push_transactions(
    request: AnyRequest,
    pusher: NamedDependency[Pusher],
    settings: NamedDependency[Settings],
    source: Annotated[str, QueryParameter(description="A source of type push in sources.yaml.")],
    idempotency_key: Annotated[
        str | None,
        HeaderParameter(
            name="Idempotency-Key",
            description="What the sender calls this delivery: sent again with it, it is answered as before.",
            pattern=KEY.pattern,
        ),
    ] = None,
) -> PushAnswer:
    """Decode in a thread, and wait until the lines are durable."""
    if idempotency_key is not None and not KEY.fullmatch(idempotency_key):
        detail = "The Idempotency-Key must be 1 to 200 visible ASCII characters."
        raise ProblemError(HTTPStatus.BAD_REQUEST, "invalid-request", detail)
    profile = await to_thread.run_sync(pusher.profile, source)
    kind = bare(request.headers.get("content-type", ""))
    if kind == arrow.MEDIA_TYPE:
        body = await read_body(request, settings.max_arrow_bytes, "SEGMENTATION_MAX_ARROW_BYTES")
    elif kind == JSON.media_type:
        body = await read_rows(request, settings)
    else:
        known = f"{JSON.media_type}, {arrow.MEDIA_TYPE}"
        raise unknown_type(kind, "Content-Type", HTTPStatus.UNSUPPORTED_MEDIA_TYPE, known)
    content_hash = sha256(body).hexdigest() if idempotency_key else None
    if kind == arrow.MEDIA_TYPE:
        lines = await to_thread.run_sync(read_lines, body, profile, settings.max_rows, settings.max_arrow_bytes)
        records, unused = lines.records, lines.unused_columns
    else:
        records, unused = await to_thread.run_sync(_records, body, settings.max_rows), {}
    delivery = Delivery(source, profile, records, PLACE, idempotency_key, content_hash, unused_columns=unused)
    return await pusher.push(delivery)


def _records(body: bytes, max_rows: int) -> Sequence[Record]:
    records = _decode(body).transactions
    if len(records) > max_rows:
        raise too_many("transactions", len(records), max_rows, ROWS_SETTING)
    return records
