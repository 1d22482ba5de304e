"""From a request's bytes to an answer's bytes. Knows the champion and the contract, but neither HTTP nor the lake."""

import re
from collections.abc import Sequence
from difflib import get_close_matches
from http import HTTPStatus

import msgspec
import numpy as np

from segmentation.features.catalogue import BY_NAME
from segmentation.modeling.artefact import Assignment
from serving.champion import Champion
from serving.contract import Customer, Score, ScoreAnswer, ScoreRequest
from serving.problems import ProblemError

MAX_QUOTED = 200
"""Characters of the client's own text that an error repeats at most."""

_DECODER = msgspec.json.Decoder(ScoreRequest)
_ENCODER = msgspec.json.Encoder()
_UNKNOWN_FEATURE = re.compile(r"Object contains unknown field `(?P<name>.*)` - at `\$\.(?P<place>.*\.features)`", re.S)


def score(champion: Champion, body: bytes) -> bytes:
    """Score the customers of a request.

    Raises:
        ProblemError: The body is not a valid request (400).
    """
    customers = decode(body)
    return _ENCODER.encode(ScoreAnswer(champion.model.version, _scores(champion, customers)))


def decode(body: bytes) -> list[Customer]:
    """The customers of a request, strictly: nothing is converted, and nothing unknown is passed over.

    Raises:
        ProblemError: The body is not a valid request (400).
    """
    try:
        return _DECODER.decode(body).customers
    except msgspec.ValidationError as error:
        raise _invalid(str(error)) from error
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise ProblemError(HTTPStatus.BAD_REQUEST, "malformed-body", f"The body is no JSON: {error}.") from error


def _scores(champion: Champion, customers: Sequence[Customer]) -> list[Score]:
    assigned = _assign(champion, customers)
    ids, names, cutoffs = champion.segment_ids, champion.segment_names, champion.cutoffs
    return [
        Score(
            customer.customer_id,
            ids[first],
            names[first],
            distance,
            ids[second],
            names[second],
            confidence,
            confidence < cutoffs[first],
        )
        for customer, first, distance, second, confidence in zip(
            customers,
            assigned.segment.tolist(),
            assigned.distance.tolist(),
            assigned.runner_up.tolist(),
            assigned.confidence.tolist(),
            strict=True,
        )
    ]


def _assign(champion: Champion, customers: Sequence[Customer]) -> Assignment:
    values = np.array([champion.values_of(customer.features) for customer in customers], dtype=np.float64)
    assigned = champion.evaluator.assign(values.reshape(len(customers), -1))
    if np.isnan(assigned.distance).any():
        raise _missing(champion, customers, int(np.isnan(assigned.distance).argmax()))
    return assigned


def _missing(champion: Champion, customers: Sequence[Customer], index: int) -> ProblemError:
    features = customers[index].features
    names = [
        rule.name
        for rule in champion.evaluator.artefact.rules
        if rule.missing_value is None and getattr(features, rule.name) is None
    ]
    return ProblemError(
        HTTPStatus.BAD_REQUEST,
        "missing-feature",
        f"customers[{index}].features lacks {', '.join(names)}, which model version {champion.model.version} needs.",
    )


def _invalid(message: str) -> ProblemError:
    unknown = _UNKNOWN_FEATURE.fullmatch(message)
    if unknown is None:
        return ProblemError(HTTPStatus.BAD_REQUEST, "invalid-request", f"{_shortened(message)}.")
    name = _shortened(unknown["name"])
    close = get_close_matches(name, BY_NAME)
    hint = f"Did you mean {' or '.join(close)}?" if close else "/schema lists all features."
    detail = f"{unknown['place']} has an unknown feature {name!r}. {hint}"
    return ProblemError(HTTPStatus.BAD_REQUEST, "unknown-feature", detail)


def _shortened(text: str) -> str:
    return text if len(text) <= MAX_QUOTED else f"{text[:MAX_QUOTED]}…"
