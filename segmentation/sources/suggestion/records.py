"""A sample of JSON records: where in a document they are, and which list in them holds the lines."""

import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from segmentation.errors import SourceError
from segmentation.sources.profiles.synonyms import AMBIGUOUS, column_of
from segmentation.sources.readers.text_blocks import open_bytes
from segmentation.sources.suggestion.dialects import encoding_of
from segmentation.sources.suggestion.samples import Column, Sample

MAX_BYTES, MAX_RECORDS, MAX_DEPTH = 64 << 20, 2_000, 3
LINE_COLUMNS = ("product_id", "quantity", "unit_price")

Record = Mapping[str, Any]


def sample_json(path: Path) -> Sample:
    """A sample of a JSON file: an object per line, an array of them, or a document that has them somewhere.

    Raises:
        SourceError: It can't be read, or holds no records.
    """
    try:
        with open_bytes(path) as stream:
            data: bytes = stream.read(MAX_BYTES)
    except (OSError, EOFError) as error:
        raise SourceError(f"{path} can't be read: {error}") from error
    encoding = encoding_of(data)
    way, records = found_records(data.decode(encoding, errors="replace").lstrip("\ufeff"))
    if not records:
        raise SourceError(f"{path} holds no JSON objects: neither one per line, nor a list of them within a document.")
    reader: dict[str, object] = {} if encoding in ("utf-8", "utf-16") else {"encoding": encoding}
    return sample_of_records(path, records, reader | ({"path": way} if way else {}))


def sample_of_records(path: Path, records: Sequence[Record], reader: dict[str, object] | None = None) -> Sample:
    """A sample of records: a row for each, or for each element of the list in them that holds the lines."""
    each = lines_of(records)
    rows = [row for record in records for row in _rows(record, each)]
    headers = list(dict.fromkeys(header for row in rows for header in row))
    columns = tuple(Column(header, tuple(row.get(header, "") for row in rows)) for header in headers)
    found = dict(reader or {})
    remarks = {}
    if each:
        found["each"] = each
        remarks["each"] = f"The lines were taken to be the elements of {each}."
    return Sample(path, "json", columns, found, remarks)


def found_records(text: str) -> tuple[str | None, list[Record]]:
    """Some records of a text, and the way to them in a document; None where they are its lines or its array."""
    start = text.lstrip()
    if start.startswith("["):
        return None, _objects(_elements(start[1:]))
    try:
        document = json.loads(start)
    except ValueError:
        return None, _objects(_lines(text))
    if isinstance(document, dict) and (inside := _longest_list(document, (), MAX_DEPTH)):
        way, records = inside
        if len(way) > 1 or not _is_order(document):
            return ".".join(way), records[:MAX_RECORDS]
    return None, _objects([document])


def lines_of(records: Sequence[Record]) -> str | None:
    """The name of the list in records whose elements look like lines of an order; None if they have none."""
    counts: Counter[str] = Counter()
    for record in records:
        for name, value in record.items():
            if isinstance(value, list) and value and isinstance(value[0], Mapping):
                counts[name] += len(value) * sum(_says(key, LINE_COLUMNS) for key in value[0])
    name, count = counts.most_common(1)[0] if counts else ("", 0)
    return name if count else None


def _rows(record: Record, each: str | None) -> Iterator[dict[str, str]]:
    of_order = dict(_flat({name: value for name, value in record.items() if name != each}))
    elements = record.get(each, []) if each else [{}]
    for element in elements if isinstance(elements, list) else []:
        yield of_order | (dict(_flat(element, f"{each}.")) if each and isinstance(element, Mapping) else {})


def _flat(value: Mapping[str, Any], prefix: str = "", depth: int = 0) -> Iterator[tuple[str, str]]:
    for name, inner in value.items():
        if isinstance(inner, Mapping) and depth < MAX_DEPTH:
            yield from _flat(inner, f"{prefix}{name}.", depth + 1)
        elif not isinstance(inner, list | Mapping):
            yield f"{prefix}{name}", "" if inner is None else str(inner).strip()


def _longest_list(value: Record, way: tuple[str, ...], depth: int) -> tuple[tuple[str, ...], list[Record]] | None:
    """The list of objects with the most elements in a document, and the way to it."""
    found = []
    for name, inner in value.items():
        if isinstance(inner, list) and (records := _objects(inner)):
            found.append(((*way, name), records))
        elif isinstance(inner, dict) and depth and (below := _longest_list(inner, (*way, name), depth - 1)):
            found.append(below)
    return max(found, key=lambda each: len(each[1]), default=None)


def _is_order(document: Record) -> bool:
    """Whether a document is itself one order: the list in it has the lines."""
    return any(_says(key, ("order_id", "ordered_at")) for key in document) and lines_of([document]) is not None


def _says(header: str, columns: Sequence[str]) -> bool:
    return column_of(header) in columns or column_of(header, AMBIGUOUS) in columns


def _objects(values: Sequence[object] | Iterator[object]) -> list[Record]:
    return [value for _, value in zip(range(MAX_RECORDS), values, strict=False) if isinstance(value, Mapping)]


def _elements(text: str) -> Iterator[object]:
    """The elements of an array that may be cut off."""
    decoder, place = json.JSONDecoder(), 0
    while place < len(text):
        while place < len(text) and text[place] in " \t\r\n,":
            place += 1
        try:
            value, place = decoder.raw_decode(text, place)
        except ValueError:
            return
        yield value


def _lines(text: str) -> Iterator[object]:
    for line in text.splitlines():
        try:
            yield json.loads(line)
        except ValueError:
            continue
