"""Where a header of a profile is inside JSON records: a key, or a dotted path into nested objects.

What is read from there is in `json_files` for files and in `records` for delivered records.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence

Keys = Callable[[str], Sequence[str]]
"""The keys that the objects at a JSON pointer have; none where there are no objects. `""` is the record itself."""


def pointer(keys: Iterable[str]) -> str:
    """A JSON pointer (RFC 6901)."""
    return "".join("/" + key.replace("~", "~0").replace("/", "~1") for key in keys)


def path_to(header: str, keys: Keys) -> tuple[str, ...] | None:
    """The keys that lead to what a header names; None if nothing does.

    A key that is the whole header goes first, and of several that begin it, the longest. Case and surrounding white
    space don't matter. A number leads into a list.
    """
    return _below(header.strip().split("."), (), keys)


def nested(record: object, header: str) -> object:
    """What a header names in a record of objects and lists; None if nothing."""

    def keys(at: str) -> Sequence[str]:
        found = _value(record, at.split("/")[1:], unescaped=False)
        return list(map(str, found)) if isinstance(found, Mapping) else ()

    path = path_to(header, keys)
    return None if path is None else _value(record, path, unescaped=True)


def _below(parts: Sequence[str], above: tuple[str, ...], keys: Keys) -> tuple[str, ...] | None:
    known = keys(pointer(above))
    for length in range(len(parts), 0, -1):
        wanted = ".".join(parts[:length]).casefold()
        for key in (key for key in known if key.strip().casefold() == wanted):
            path = (*above, key)
            if length == len(parts):
                return path
            if found := _below(parts[length:], path, keys):
                return found
    if above and not known and parts[0].isdigit():
        path = (*above, parts[0])
        return path if len(parts) == 1 else _below(parts[1:], path, keys)
    return None


def _value(record: object, path: Sequence[str], *, unescaped: bool) -> object:
    for part in path:
        key = part if unescaped else part.replace("~1", "/").replace("~0", "~")
        if isinstance(record, Mapping):
            record = record.get(key)
        elif isinstance(record, list) and key.isdigit() and int(key) < len(record):
            record = record[int(key)]
        else:
            return None
    return record
