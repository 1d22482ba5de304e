"""What a parameter of a route may be, in words: for clients that sent something else."""

from collections.abc import Iterator, Sequence
from datetime import date
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from litestar.exceptions import HTTPException

KINDS = {bool: "true or false", date: "a date such as 2026-01-31", int: "a whole number", str: "text"}


def allowed_instead(route_handler: Any, error: HTTPException) -> str:
    """What the parameters of a route that an error is about may be; empty if it is about none, or there is no route."""
    refused: Sequence[Any] = error.extra if route_handler is not None and isinstance(error.extra, list) else []
    if not refused:
        return ""
    return " ".join(_sentences(route_handler.parsed_fn_signature.parameters, refused))


def _sentences(parameters: Any, refused: Sequence[Any]) -> Iterator[str]:
    for each in refused:
        name, source = each.get("key", ""), each.get("source", "")
        known = parameters.get(name)
        words = f"{getattr(source, 'value', source)} parameter `{name}`".strip()
        if known is None:
            yield f"The {words} won't do: {each.get('message', '')}."
        else:
            yield f"The {words} must be {_may_be(known.annotation, known.kwarg_definition)}."


def _may_be(annotation: Any, limits: Any) -> str:
    kind = _kind(annotation)
    if get_origin(kind) is Literal:
        return f"one of {', '.join(str(each) for each in get_args(kind))}"
    words = KINDS.get(kind, str(kind))
    least, most = getattr(limits, "ge", None), getattr(limits, "le", None)
    if least is not None and most is not None:
        return f"{words} from {least} to {most}"
    if least is not None or most is not None:
        return f"{words}, {'at least' if most is None else 'at most'} {most if least is None else least}"
    pattern = getattr(limits, "pattern", None)
    return f"{words} like `{pattern}`" if pattern else words


def _kind(annotation: Any) -> Any:
    """The type without what is around it: None as an alternative, a list of it, limits."""
    match get_origin(annotation):
        case origin if origin in (Annotated, list):
            return _kind(get_args(annotation)[0])
        case origin if origin in (Union, UnionType):
            return _kind(next(each for each in get_args(annotation) if each is not NoneType))
    return annotation
