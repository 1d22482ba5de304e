"""What one request may be: how large its body, and of which kind."""

from http import HTTPStatus

from segmentation.settings import Settings
from serving.api.problems import AnyRequest, ProblemError

JSON_TYPE = "application/json"


async def read_body(request: AnyRequest, most: int, setting: str) -> bytes:
    """The body of a request, as long as it is within its limit.

    Args:
        request: The request.
        most: Bytes that it may have.
        setting: The variable that says so.

    Raises:
        ProblemError: It is larger (413), as soon as that is known.
    """
    announced = request.headers.get("content-length", "0")
    if announced.isdecimal() and int(announced) > most:
        raise too_large(most, setting)
    parts: list[bytes] = []
    size = 0
    async for part in request.stream():
        size += len(part)
        if size > most:
            raise too_large(most, setting)
        parts.append(part)
    return parts[0] if len(parts) == 1 else b"".join(parts)


def too_large(most: int, setting: str) -> ProblemError:
    """The problem of a body over its limit."""
    return ProblemError(
        HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
        "body-too-large",
        f"The body may have {most} bytes ({setting}); send fewer customers at a time.",
    )


def too_many(what: str, given: int, most: int, setting: str) -> ProblemError:
    """The problem of a body with more rows than it may have."""
    return ProblemError(
        HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
        "too-many-rows",
        f"The body has {given} {what} and may have {most} ({setting}); send fewer at a time.",
    )


async def read_json(request: AnyRequest, settings: Settings) -> bytes:
    """The body of a request that takes JSON and nothing else.

    Raises:
        ProblemError: It isn't said to be JSON (415), or is too large (413).
    """
    given = request.headers.get("content-type", "")
    if bare(given) != JSON_TYPE:
        raise unknown_type(given, "Content-Type", HTTPStatus.UNSUPPORTED_MEDIA_TYPE, JSON_TYPE)
    return await read_rows(request, settings)


async def read_rows(request: AnyRequest, settings: Settings) -> bytes:
    """The body of a request in JSON or MessagePack.

    Raises:
        ProblemError: It is too large (413).
    """
    return await read_body(request, settings.max_body_bytes, "SEGMENTATION_MAX_BODY_BYTES")


def bare(media_type: str) -> str:
    """A media type without its parameters."""
    return media_type.partition(";")[0].strip().lower()


def unknown_type(given: str, header: str, status: HTTPStatus, known: str) -> ProblemError:
    """The problem of a media type that will not do."""
    said = f"is {given[:100]!r}" if given else "is missing"
    kind = "unsupported-media-type" if status is HTTPStatus.UNSUPPORTED_MEDIA_TYPE else "not-acceptable"
    return ProblemError(status, kind, f"The {header} {said}; use {known}.")
