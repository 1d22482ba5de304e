"""`GET /v1/customers/{customer_id}`: what the warehouse knows about one customer."""

from http import HTTPStatus
from typing import Annotated, Any
from urllib.parse import unquote

import duckdb
import msgspec
from litestar import get
from litestar.di import NamedDependency
from litestar.params import PathParameter

from segmentation.features.catalogue import FEATURES
from segmentation.warehouse.schema import CUSTOMER_FEATURES, CUSTOMER_SEGMENTS, SEGMENTS
from serving.contract import CustomerAnswer, Features
from serving.problems import AnyRequest, ProblemError, problem_responses
from serving.reader import LakeReader

PREFIX = "/v1/customers/"

LATEST_SEGMENT = f"""
SELECT assigned.*, named.segment_name AS runner_up_name
FROM {CUSTOMER_SEGMENTS.name} AS assigned
LEFT JOIN {SEGMENTS.name} AS named
    ON named.version = assigned.model_version AND named.segment_id = assigned.runner_up_id
WHERE assigned.customer_id = $customer_id
ORDER BY assigned.as_of DESC
LIMIT 1
"""

FEATURES_THEN = f"""
SELECT {", ".join(feature.name for feature in FEATURES)}
FROM {CUSTOMER_FEATURES.name}
WHERE customer_id = $customer_id AND as_of = $as_of
"""


@get(
    "/v1/customers/{customer_id:path}",
    tags=["Customers"],
    summary="One customer",
    description="The segment that the customer was last assigned to, with the features of that date.",
    operation_id="customer",
    responses=problem_responses(HTTPStatus.BAD_REQUEST, HTTPStatus.NOT_FOUND, HTTPStatus.SERVICE_UNAVAILABLE),
)
async def customer(
    request: AnyRequest,
    customer_id: Annotated[str, PathParameter(description="The id as the source names it; `/` as `%2F`.")],  # noqa: ARG001
    reader: NamedDependency[LakeReader],
) -> CustomerAnswer:
    """Answer from one snapshot of the lake."""
    wanted = _exact_id(request)
    # DuckLake can't look for text with a NUL, and nobody is called that.
    found = None if "\0" in wanted else await reader.read(lambda con: find_customer(con, wanted))
    if found is None:
        raise ProblemError(
            HTTPStatus.NOT_FOUND,
            "unknown-customer",
            "No snapshot has a segment for this customer. They may be misspelt, have no purchase in the look-back "
            "window, or be newer than the latest snapshot.",
        )
    return found


def find_customer(con: duckdb.DuckDBPyConnection, customer_id: str) -> CustomerAnswer | None:
    """The latest segment of a customer and the features of that date; None without a segment."""
    segment = _row(con.execute(LATEST_SEGMENT, {"customer_id": customer_id}))
    if segment is None:
        return None
    features = _row(con.execute(FEATURES_THEN, {"customer_id": customer_id, "as_of": segment["as_of"]}))
    return msgspec.convert({**segment, "features": features and Features(**features)}, CustomerAnswer)


def _exact_id(request: AnyRequest) -> str:
    """The id as the client wrote it: routing has already lost which slashes were part of it."""
    path = request.scope["raw_path"].partition(b"?")[0].decode("ascii", "replace")
    return unquote(path.partition(PREFIX)[2])


def _row(result: duckdb.DuckDBPyConnection) -> dict[str, Any] | None:
    values = result.fetchone()
    return dict(zip((column[0] for column in result.description), values, strict=True)) if values else None
