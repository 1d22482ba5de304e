"""`/v1/segments` and `/v1/transitions`: the segments that scores refer to, who is in them, and who moved."""

from http import HTTPStatus
from typing import Annotated

from litestar import get
from litestar.di import NamedDependency
from litestar.params import PathParameter, QueryParameter

from segmentation.access.keys import Scope
from segmentation.metadata.tables.segments import MODEL
from segmentation.settings import Settings
from serving.api.contract import MembersAnswer, SegmentDetail, SegmentsAnswer, TransitionsAnswer
from serving.api.problems import refusals
from serving.live.champion import LiveChampion
from serving.live.reader import LakeReader
from serving.middleware.auth import needs
from serving.routes.customers import AsOf
from serving.services import segments as service
from serving.services.own_segments import own_segments

SegmentationName = Annotated[
    str, QueryParameter(description="Which segmentation: the model's, or one of your own.", min_length=1, max_length=64)
]
SegmentId = Annotated[int, PathParameter(description="Id of the segment.", ge=0, le=2**31 - 1)]


@get(
    "/v1/segments",
    tags=["Segments"],
    summary="All segments",
    description="The champion's segments, each with its profile as of a date, or in the latest snapshot that this "
    "model decided; or those of a segmentation of one's own, in the latest snapshot.",
    operation_id="segments",
    responses=refusals(HTTPStatus.NOT_FOUND),
    **needs(Scope.READ),
)
async def segments(
    live: NamedDependency[LiveChampion],
    reader: NamedDependency[LakeReader],
    settings: NamedDependency[Settings],
    as_of: AsOf = None,
    segmentation_name: SegmentationName = MODEL,
) -> SegmentsAnswer:
    """Answer from the champion in memory and the profiles in the lake."""
    if segmentation_name != MODEL:
        return await reader.read(lambda con: own_segments(con, segmentation_name, as_of, settings.quiet_days))
    champion = live.champion()
    return await reader.read(lambda con: service.all_segments(con, champion, as_of, settings.quiet_days))


@get(
    "/v1/segments/{segment_id:int}",
    tags=["Segments"],
    summary="One segment",
    description="A segment of the champion: its profile in all snapshots, what sets it apart, and where it comes from. "
    "Or a segment of one's own: its profile, and its condition.",
    operation_id="segment",
    responses=refusals(HTTPStatus.NOT_FOUND),
    **needs(Scope.READ),
)
async def segment(
    segment_id: SegmentId,
    live: NamedDependency[LiveChampion],
    reader: NamedDependency[LakeReader],
    settings: NamedDependency[Settings],
) -> SegmentDetail:
    """Answer from the champion in memory, and from the lake."""
    champion = live.champion()
    return await reader.read(lambda con: service.one_segment(con, champion, segment_id, settings.quiet_days))


@get(
    "/v1/segments/{segment_id:int}/customers",
    tags=["Segments"],
    summary="A segment's customers",
    description="Page by page, in order of their ids. All pages are of one snapshot date.",
    operation_id="segmentCustomers",
    responses=refusals(HTTPStatus.NOT_FOUND),
    **needs(Scope.READ),
)
async def segment_customers(
    segment_id: SegmentId,
    reader: NamedDependency[LakeReader],
    settings: NamedDependency[Settings],
    as_of: AsOf = None,
    limit: Annotated[int, QueryParameter(description="Customers on a page.", ge=1, le=10_000)] = 100,
    cursor: Annotated[str | None, QueryParameter(description="`next_cursor` of the page before.")] = None,
) -> MembersAnswer:
    """Answer from the lake."""
    quiet_days = settings.quiet_days
    return await reader.read(lambda con: service.members(con, segment_id, as_of, cursor, limit, quiet_days))


@get(
    "/v1/transitions",
    tags=["Segments"],
    summary="Who moved",
    description="How many customers went from which segment to which since the snapshot before, and why.",
    operation_id="transitions",
    responses=refusals(HTTPStatus.NOT_FOUND),
    **needs(Scope.READ),
)
async def transitions(
    reader: NamedDependency[LakeReader],
    settings: NamedDependency[Settings],
    as_of: AsOf = None,
    segmentation_name: SegmentationName = MODEL,
) -> TransitionsAnswer:
    """Answer from the lake."""
    return await reader.read(lambda con: service.transitions(con, segmentation_name, as_of, settings.quiet_days))
