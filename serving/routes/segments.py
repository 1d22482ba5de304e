"""`GET /v1/segments`: the segments that scores refer to."""

from http import HTTPStatus

import duckdb
from litestar import get
from litestar.di import NamedDependency

from segmentation.warehouse.schema import SEGMENT_PROFILES
from serving.champion import Champion, ChampionFollower
from serving.contract import SegmentAnswer, SegmentProfile, SegmentsAnswer
from serving.problems import problem_responses
from serving.reader import LakeReader

LATEST_PROFILES = f"""
SELECT segment_id, {", ".join(SegmentProfile.__struct_fields__)}
FROM {SEGMENT_PROFILES.name}
WHERE model_version = $version
    AND as_of = (SELECT MAX(as_of) FROM {SEGMENT_PROFILES.name} WHERE model_version = $version)
"""


@get(
    "/v1/segments",
    tags=["Segments"],
    summary="All segments",
    description="The champion's segments, each with its profile in the latest snapshot that this model decided.",
    operation_id="segments",
    responses=problem_responses(HTTPStatus.SERVICE_UNAVAILABLE),
)
async def segments(follower: NamedDependency[ChampionFollower], reader: NamedDependency[LakeReader]) -> SegmentsAnswer:
    """Answer from the champion in memory and the profiles in the lake."""
    champion = follower.champion()
    profiles = await reader.read(lambda con: latest_profiles(con, champion.model.version))
    return _answer(champion, profiles)


def latest_profiles(con: duckdb.DuckDBPyConnection, version: int) -> dict[int, SegmentProfile]:
    """Profiles by segment id, of the latest snapshot that a model version decided; empty if there is none."""
    rows = con.execute(LATEST_PROFILES, {"version": version}).fetchall()
    return {segment_id: SegmentProfile(*figures) for segment_id, *figures in rows}


def _answer(champion: Champion, profiles: dict[int, SegmentProfile]) -> SegmentsAnswer:
    return SegmentsAnswer(
        champion.model.version,
        [
            SegmentAnswer(segment.id, segment.name, segment.description, profiles.get(segment.id))
            for segment in champion.model.artefact.segments
        ],
    )
