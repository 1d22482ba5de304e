"""`/v1/customers/{customer_id}`: what is known about one customer, and what hypothetical orders would change."""

from datetime import date
from http import HTTPStatus
from typing import Annotated
from urllib.parse import unquote

from litestar import get, post
from litestar.di import NamedDependency
from litestar.params import PathParameter, QueryParameter

from segmentation.access.keys import Scope
from segmentation.settings import Settings
from serving.api.bodies import json_decoder
from serving.api.contract import EVERYTHING, CustomerAnswer, Include, WhatIfAnswer, WhatIfRequest
from serving.api.limits import read_json
from serving.api.problems import AnyRequest, ProblemError, refusals
from serving.live.champion import LiveChampion
from serving.live.reader import LakeReader
from serving.middleware.auth import needs
from serving.routes.openapi import INCLUDE_COMPONENT, body_of
from serving.services.customers import CustomerService, Question

PREFIX = "/v1/customers/"

CustomerId = Annotated[str, PathParameter(description="The id as the source names it; `/` as `%2F`.")]
AsOf = Annotated[date | None, QueryParameter(description="Date of the snapshot; the newest one if left out.")]

_decode_what_if = json_decoder(WhatIfRequest)


@get(
    "/v1/customers/{customer_id:str}",
    tags=["Customers"],
    summary="One customer",
    description="The segment that the customer was given last, or as of a date; with those of one's own segmentations, "
    "features, history, what speaks for the segment, and the smallest next steps that would move them. `fresh` "
    "computes from the order lines that the lake has now.",
    operation_id="customer",
    responses=refusals(HTTPStatus.NOT_FOUND, HTTPStatus.CONFLICT),
    **needs(Scope.READ),
)
async def customer(
    request: AnyRequest,
    customer_id: CustomerId,  # noqa: ARG001
    reader: NamedDependency[LakeReader],
    live: NamedDependency[LiveChampion],
    customers: NamedDependency[CustomerService],
    as_of: AsOf = None,
    model: Annotated[
        int | None,
        QueryParameter(description="Version that decides; the one that did if left out.", ge=1, le=2**31 - 1),
    ] = None,
    fresh: Annotated[
        bool,
        QueryParameter(description="Compute from the order lines that the lake has now, as of tomorrow or `as_of`."),
    ] = False,
    include: Annotated[
        list[Annotated[Include, QueryParameter(schema_component_key=INCLUDE_COMPONENT)]] | None,
        QueryParameter(description="What the answer holds besides the segment; repeat it. All if left out."),
    ] = None,
) -> CustomerAnswer:
    """Answer from one snapshot of the lake."""
    wanted = EVERYTHING if include is None else frozenset(include)
    question = Question(_exact_id(request), wanted, as_of, model, fresh)
    champion = live.champion()
    return await reader.read(lambda con: customers.answer(con, question, champion))


@post(
    "/v1/customers/{customer_id:str}/what-if",
    status_code=HTTPStatus.OK,
    tags=["Customers"],
    summary="What if they ordered …?",
    description="The champion's segment of the customer with and without hypothetical orders, from the order lines "
    "that the lake has now. Nothing is stored.",
    operation_id="whatIf",
    operation_class=body_of(WhatIfRequest),
    responses=refusals(HTTPStatus.NOT_FOUND, HTTPStatus.REQUEST_ENTITY_TOO_LARGE, HTTPStatus.UNSUPPORTED_MEDIA_TYPE),
    **needs(Scope.READ),
)
async def what_if(
    request: AnyRequest,
    customer_id: CustomerId,  # noqa: ARG001
    reader: NamedDependency[LakeReader],
    live: NamedDependency[LiveChampion],
    customers: NamedDependency[CustomerService],
    settings: NamedDependency[Settings],
) -> WhatIfAnswer:
    """Play the orders on the customer's own lines."""
    wanted = _decode_what_if(await read_json(request, settings))
    identity, champion = _exact_id(request), live.champion()
    return await reader.read(lambda con: customers.what_if(con, identity, wanted, champion))


def _exact_id(request: AnyRequest) -> str:
    """The id as the client wrote it: routing keeps escaped slashes, so what it matched is not the id itself."""
    path = request.scope["raw_path"].partition(b"?")[0].decode("ascii", "replace")
    wanted = unquote(path.removeprefix(PREFIX).partition("/")[0])
    if "\0" in wanted:  # DuckDB can't look for it, and nobody is called that
        raise ProblemError(HTTPStatus.NOT_FOUND, "unknown-customer", "No customer's id has a NUL.")
    return wanted
