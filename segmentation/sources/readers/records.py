"""Delivered records, objects of names and values, as a relation of text columns that a profile can be applied to.

Which of them are accepted is decided in `validation`.
"""

import json
from base64 import b64encode
from collections.abc import Mapping, Sequence
from datetime import date, datetime, time
from decimal import Decimal
from typing import TYPE_CHECKING

from segmentation.sources.profiles.headers import folded
from segmentation.sources.profiles.profile import Profile
from segmentation.sources.readers.files import Lines
from segmentation.sources.readers.json_paths import nested

if TYPE_CHECKING:
    import pyarrow as pa

Record = Mapping[str, object]


def as_lines(profile: Profile, relation: str) -> Lines:
    """The relation of an `as_table` as a profile sees it: all inputs are there, as text."""
    headers: dict[str, str | None] = {name: entry.headers[0] for name, entry in profile.inputs.items()}
    return Lines(relation, headers, dict.fromkeys(profile.inputs, "VARCHAR"))


def as_table(profile: Profile, records: Sequence[Record], ordinals: Sequence[int]) -> "pa.Table":
    """Records as a table: `file_id`, the ordinals, and one text column per input of the profile.

    An input is the value under the first of its headers that a record has; case and surrounding white space don't
    matter. A header with dots that no record has is a path into nested objects. What a record lacks is NULL, and so is
    an empty text.
    """
    import pyarrow as pa  # heavy, and only who brings records needs it

    by_header = _names_by_header(records)
    columns = {"file_id": pa.array(ordinals, pa.int32())}
    for name, entry in profile.inputs.items():
        keys = [key for header in entry.headers for key in by_header.get(folded(header), ())]
        inside = [header for header in entry.headers if "." in header and folded(header) not in by_header]
        columns[name] = pa.array(_values(records, keys, inside), pa.string())
    return pa.table(columns)


def as_text(value: object) -> str | None:
    """A value as text: dates and times as ISO 8601, lists and objects as JSON, bytes in UTF-8 or else Base64."""
    if type(value) is str:  # the usual case first
        return value or None
    match value:
        case None:
            return None
        case bool():
            return "true" if value else "false"
        case datetime() | date() | time():
            return value.isoformat()
        case Decimal():
            return format(value, "f")
        case bytes():
            return _of_bytes(value)
        case dict() | list():
            return as_json(value)
        case _:
            return str(value)


def as_json(value: object) -> str:
    """A record or a part of one as JSON."""
    return json.dumps(value, ensure_ascii=False, default=as_text)


def _names_by_header(records: Sequence[Record]) -> dict[str, list[str]]:
    names: dict[str, list[str]] = {}
    for name in dict.fromkeys(name for record in records for name in record):
        names.setdefault(folded(name), []).append(name)
    return names


def _values(records: Sequence[Record], keys: Sequence[str], inside: Sequence[str]) -> list[str | None]:
    if inside:
        return [_first(record, keys) or _first_inside(record, inside) for record in records]
    if len(keys) == 1:  # almost always
        (key,) = keys
        return [as_text(record.get(key)) for record in records]
    return [_first(record, keys) for record in records]


def _first(record: Record, keys: Sequence[str]) -> str | None:
    return next((text for key in keys if (text := as_text(record.get(key))) is not None), None)


def _first_inside(record: Record, headers: Sequence[str]) -> str | None:
    return next((text for header in headers if (text := as_text(nested(record, header))) is not None), None)


def _of_bytes(value: bytes) -> str:
    try:
        return value.decode()
    except UnicodeDecodeError:
        return b64encode(value).decode()
