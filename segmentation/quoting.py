"""Values of the data in messages: bounded, and without control characters. How they reach a terminal: `terminal`."""

import re

MAX_MESSAGE = 4000
MAX_VALUE = 200
_CONTROLS = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]|\r")


def visible(text: str) -> str:
    r"""A text whose control characters, but line ends and tabs, are written as escapes such as `\x1b`.

    Those that turn the direction of writing count, since they make a text read as another one.
    """
    return _CONTROLS.sub(lambda found: ascii(found[0])[1:-1], text)


def bounded(text: str, limit: int = MAX_MESSAGE) -> str:
    """A text of at most about `limit` characters: of a longer one the beginning, the end, and how much lies between."""
    if len(text) <= limit:
        return text
    head, tail = limit * 2 // 3, limit // 3
    return f"{text[:head]} … ({len(text) - head - tail:,} characters left out) … {text[-tail:]}"


def shown(value: object, limit: int = MAX_VALUE) -> str:
    """A value of the data in a message: quoted like a Python text, bounded, without control characters."""
    text = str(value)
    return visible(repr(bounded(text, limit)))
