"""The two languages of rows, JSON and MessagePack: strict decoding, and encoding in slices.

A large body is decoded, scored and encoded a slice at a time, so that small requests are answered in between.
"""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from http import HTTPStatus
from typing import Annotated, Any, Generic, TypeVar

import msgspec

from segmentation.metadata.features import BY_NAME, Feature
from serving.api.contract import Customer, ScoreRequest
from serving.api.problems import ProblemError
from serving.api.unbounded import decode_customer, decode_request

T = TypeVar("T")

MAX_QUOTED = 200
"""Characters of the client's own text that an error repeats at most."""

DECODING_ERRORS = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)

_UNKNOWN_FEATURE = re.compile(r"Object contains unknown field `(?P<name>.*)` - at `\$\.(?P<place>.*\.features)`", re.S)

_IMPOSSIBLE_FEATURE = re.compile(
    r"Expected `float` (?:[<>]=|that's a multiple of) .* - at `\$\.(?P<place>.*\.features)\.(?P<name>\w+)`"
)


class RawRequest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A `ScoreRequest` whose customers are still to be decoded."""

    customers: Annotated[list[msgspec.Raw], msgspec.Meta(min_length=1)]


@dataclass(frozen=True)
class Language:
    """How rows are written.

    Attributes:
        media_type: As it is sent.
        aliases: Media types that mean the same.
        request: Decodes a whole request.
        raw: Decodes a request, but not yet its customers.
        customer: Decodes one of those.
        encode: Encodes an answer, or a part of it.
        join: Makes an answer of a model version and encoded scores.
    """

    media_type: str
    aliases: tuple[str, ...]
    request: "Decoder[ScoreRequest]"
    raw: "Decoder[RawRequest]"
    customer: "Decoder[Customer]"
    encode: Callable[[Any], bytes]
    join: Callable[[int, Sequence[bytes]], bytes]


class Decoder(Generic[T]):
    """Decodes one type strictly: nothing is converted, and nothing unknown is passed over."""

    def __init__(
        self,
        name: str,
        decode: Callable[[bytes | msgspec.Raw], T],
        unbounded: Callable[[bytes | msgspec.Raw], T] | None = None,
    ) -> None:
        self._name = name
        self._bounded = decode
        self._unbounded = unbounded

    def __call__(self, body: bytes) -> T:
        """Decode a body.

        Raises:
            ProblemError: It is not what it should be (400).
        """
        try:
            return self._decode(body)
        except DECODING_ERRORS as error:
            raise self._refusal(error, "") from error

    def _decode(self, body: bytes | msgspec.Raw) -> T:
        try:
            return self._bounded(body)
        except msgspec.ValidationError as error:
            if self._unbounded is None or not _IMPOSSIBLE_FEATURE.fullmatch(str(error)):
                raise
        return self._unbounded(body)

    def each(self, rows: Sequence[msgspec.Raw], start: int) -> list[T]:
        """Decode customers, the first of whom is number `start` of the request.

        Raises:
            ProblemError: One is not what it should be (400); the detail says which.
        """
        decoded: list[T] = []
        try:
            for row in rows:
                decoded.append(self._decode(row))  # noqa: PERF401 (how many there are says which one failed)
        except DECODING_ERRORS as error:
            raise self._refusal(error, f".customers[{start + len(decoded)}]") from error
        return decoded

    def _refusal(self, error: Exception, place: str) -> ProblemError:
        if isinstance(error, msgspec.ValidationError):
            return _invalid(str(error).replace(" `$", f" `${place}"))
        detail = f"The body is no {self._name}: {shortened(str(error))}."
        return ProblemError(HTTPStatus.BAD_REQUEST, "malformed-body", detail)


def _join_json(version: int, scores: Sequence[bytes]) -> bytes:
    return b'{"model_version":%d,"results":[%b]}' % (version, b",".join(scores))


def _join_msgpack(version: int, scores: Sequence[bytes]) -> bytes:
    encode = msgspec.msgpack.encode
    array32 = b"\xdd" + len(scores).to_bytes(4, "big")
    return b"".join([b"\x82", encode("model_version"), encode(version), encode("results"), array32, *scores])


def _language(
    name: str, media_type: str, aliases: tuple[str, ...], module: Any, join: Any, unbounded: tuple[Any, Any]
) -> Language:
    return Language(
        media_type,
        aliases,
        Decoder(name, module.Decoder(ScoreRequest).decode, unbounded[0]),
        Decoder(name, module.Decoder(RawRequest).decode),
        Decoder(name, module.Decoder(Customer).decode, unbounded[1]),
        module.Encoder().encode,
        join,
    )


JSON = _language("JSON", "application/json", (), msgspec.json, _join_json, (None, None))
MSGPACK = _language(
    "MessagePack",
    "application/msgpack",
    ("application/vnd.msgpack", "application/x-msgpack"),
    msgspec.msgpack,
    _join_msgpack,
    (decode_request, decode_customer),
)


def json_decoder(wanted: type[T]) -> Decoder[T]:
    """A strict decoder of JSON bodies."""
    return Decoder("JSON", msgspec.json.Decoder(wanted).decode)


def unknown_feature(name: str, place: str) -> ProblemError:
    """The problem of a feature that the catalogue doesn't have."""
    close = get_close_matches(name[:MAX_QUOTED], BY_NAME)
    hint = f"Did you mean {' or '.join(close)}?" if close else "/schema lists all features."
    detail = f"{place} has an unknown feature {shortened(name)!r}. {hint}"
    return ProblemError(HTTPStatus.BAD_REQUEST, "unknown-feature", detail)


def impossible_feature(name: str, place: str) -> ProblemError:
    """The problem of a value that a feature of the catalogue can't have; `place` is where the feature stands."""
    feature = BY_NAME[name]
    bounds = [f"{words} {bound:g}" for words, bound in _bounds(feature) if bound is not None]
    if feature.type == "BIGINT":
        bounds.insert(0, "a whole number")
    detail = f"{place} is refused by {name}_out_of_range: {name} must be {', '.join(bounds)} ({feature.unit})."
    return ProblemError(HTTPStatus.BAD_REQUEST, "impossible-feature", detail)


def _bounds(feature: Feature) -> tuple[tuple[str, float | None], ...]:
    return ("at least", feature.minimum), ("at most", feature.maximum)


def shortened(text: str) -> str:
    """A text of the client, as far as it is repeated."""
    return text if len(text) <= MAX_QUOTED else f"{text[:MAX_QUOTED]}…"


def _invalid(message: str) -> ProblemError:
    unknown = _UNKNOWN_FEATURE.fullmatch(message)
    if unknown is not None:
        return unknown_feature(unknown["name"], unknown["place"])
    impossible = _IMPOSSIBLE_FEATURE.fullmatch(message)
    if impossible is not None:
        return impossible_feature(impossible["name"], f"{impossible['place']}.{impossible['name']}")
    return ProblemError(HTTPStatus.BAD_REQUEST, "invalid-request", f"{shortened(message)}.")
