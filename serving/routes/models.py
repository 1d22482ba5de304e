"""`/v1/models`: the versions of the model, where they came from, and which one serves."""

from datetime import UTC
from http import HTTPStatus
from typing import Annotated

import duckdb
from litestar import get, post
from litestar.di import NamedDependency
from litestar.params import PathParameter

from segmentation.access.keys import Scope
from segmentation.modeling import registry
from segmentation.modeling.registry import ModelVersion
from segmentation.settings import Settings
from serving.api.bodies import json_decoder
from serving.api.contract import DecisionAnswer, DecisionRequest, ModelAnswer, ModelsAnswer, ModelSummary
from serving.api.limits import read_json
from serving.api.problems import AnyRequest, ProblemError, refusals
from serving.live.champion import LiveChampion
from serving.live.reader import LakeReader
from serving.middleware.auth import needs
from serving.middleware.deadline import TIMEOUT_S
from serving.routes.openapi import body_of
from serving.services.promotion import TIMEOUT_S as PROMOTION_TIMEOUT_S
from serving.services.promotion import Promoter, PromotionOutcome

CURRENT = "current"

Version = Annotated[
    str,
    PathParameter(description="A version number, an alias such as `candidate`, or `current`: the one that answers."),
]
Number = Annotated[int, PathParameter(description="A version number.", ge=1, le=2**31 - 1)]

DECISION_REFUSALS = (
    HTTPStatus.NOT_FOUND,
    HTTPStatus.CONFLICT,
    HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
    HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
)

_decode_decision = json_decoder(DecisionRequest)


@get(
    "/v1/models",
    tags=["Models"],
    summary="All versions of the model",
    description="Newest first, with their aliases and figures.",
    operation_id="models",
    responses=refusals(),
    **needs(Scope.READ),
)
async def models(reader: NamedDependency[LakeReader]) -> ModelsAnswer:
    """Answer from the registry."""
    found = await reader.read(registry.list_models)
    return ModelsAnswer([_summary(model) for model in reversed(found)])


@get(
    "/v1/models/{version:str}",
    tags=["Models"],
    summary="One version of the model",
    description="Version, hash, features with their rules, metrics and provenance. `current` answers without the "
    "warehouse.",
    operation_id="model",
    responses=refusals(HTTPStatus.NOT_FOUND),
    **needs(Scope.READ),
)
async def model(
    version: Version, live: NamedDependency[LiveChampion], reader: NamedDependency[LakeReader]
) -> ModelAnswer:
    """Answer from the champion in memory, or from the registry."""
    if version == CURRENT:
        return _answer(live.champion().model)
    return _answer(await reader.read(lambda con: _load(con, version)))


@post(
    "/v1/models/{version:int}/promote",
    status_code=HTTPStatus.OK,
    tags=["Models"],
    summary="Promote a version",
    description="Make a version the champion if it passes its gates, as `segmentation models promote` does. The ledger "
    "keeps who, when and why. Scorers follow within seconds.",
    operation_id="promote",
    operation_class=body_of(DecisionRequest),
    responses=refusals(*DECISION_REFUSALS),
    **needs(Scope.ADMIN, **{TIMEOUT_S: PROMOTION_TIMEOUT_S}),
)
async def promote(
    request: AnyRequest, version: Number, promoter: NamedDependency[Promoter], settings: NamedDependency[Settings]
) -> DecisionAnswer:
    """Run the command on behalf of the caller."""
    wanted = await _decision(request, settings)
    decided = await promoter.promote(version, actor=_actor(request), reason=wanted.reason, override=wanted.override)
    return _decided(decided, f"Model {decided.champion} is champion{'' if decided.is_new else ' already'}.")


@post(
    "/v1/models/{version:int}/rollback",
    status_code=HTTPStatus.OK,
    tags=["Models"],
    summary="Roll a version back",
    description="Take a version that is champion out of service, and put the one back that served before.",
    operation_id="rollback",
    operation_class=body_of(DecisionRequest),
    responses=refusals(*DECISION_REFUSALS),
    **needs(Scope.ADMIN, **{TIMEOUT_S: PROMOTION_TIMEOUT_S}),
)
async def roll_back(
    request: AnyRequest, version: Number, promoter: NamedDependency[Promoter], settings: NamedDependency[Settings]
) -> DecisionAnswer:
    """Run the command on behalf of the caller."""
    wanted = await _decision(request, settings)
    if wanted.override:
        raise ProblemError(HTTPStatus.BAD_REQUEST, "invalid-request", "A rollback asks no gates to override.")
    decided = await promoter.roll_back(version, actor=_actor(request), reason=wanted.reason)
    return _decided(decided, f"Model {decided.champion} is champion again, instead of {version}.")


async def _decision(request: AnyRequest, settings: Settings) -> DecisionRequest:
    wanted = _decode_decision(await read_json(request, settings))
    if "\0" in wanted.reason:  # no argument of a command can have one
        raise ProblemError(HTTPStatus.BAD_REQUEST, "invalid-request", "A reason may not have a NUL.")
    return wanted


def _actor(request: AnyRequest) -> str:
    name = "".join(letter if letter.isprintable() else "?" for letter in request.scope["user"].name)
    return f"scorer/{name[:200]}"


def _decided(outcome: PromotionOutcome, detail: str) -> DecisionAnswer:
    return DecisionAnswer(outcome.champion, outcome.is_new, detail)


def _load(con: duckdb.DuckDBPyConnection, wanted: str) -> ModelVersion:
    try:
        return registry.load(con, registry.number_of(con, wanted))
    except registry.UnknownVersionError as error:
        raise ProblemError(HTTPStatus.NOT_FOUND, "unknown-model", str(error)) from error


def _summary(model: ModelVersion) -> ModelSummary:
    return ModelSummary(
        version=model.version,
        model_hash=model.model_hash,
        as_of=model.artefact.provenance.as_of,
        created_at=model.created_at.replace(tzinfo=UTC),
        aliases=model.aliases,
        segment_count=len(model.artefact.segments),
        metrics=model.metrics,
    )


def _answer(model: ModelVersion) -> ModelAnswer:
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
