"""Pages of a dlt resource: SaaS interfaces are read by dlt's sources, not by clients of our own.

Of dlt only the extraction is used, and no pipeline: records go through the profile as pushed ones do, and how far they
were read is kept in the lake, with the lines. Which extra brings dlt is in pyproject.toml.
"""

import json
from collections.abc import Iterator, Mapping
from datetime import UTC, date, datetime
from importlib import import_module
from itertools import islice
from typing import Any

from segmentation.errors import SourceError
from segmentation.sources.config import DltSource
from segmentation.sources.readers.pages import Page
from segmentation.sources.readers.records import Record


class DltPages:
    """The records of one resource, in pages; with a cursor those since the last time."""

    def __init__(self, source: DltSource) -> None:
        """Take the source's options; nothing is imported or asked yet."""
        self._source, self._options = source, source.options

    def check(self) -> str:
        """Make the resource, which reads nothing, and say what it is called.

        Raises:
            SourceError: dlt or the source isn't there, or doesn't take the arguments.
        """
        return f"dlt resource {self._resource(None).name} of {self._options.source}"

    def pages(self, position: str | None) -> Iterator[Page]:
        """The records after a position. The position moves with the last page: dlt says nothing of their order.

        Raises:
            SourceError: The source can't be made, or fails while it is read.
        """
        records = self._records(position)
        newest = cursor_of(position) if position else None
        page = list(islice(records, self._options.page_lines))
        while page:
            newest = self._newest(newest, page)
            following = list(islice(records, self._options.page_lines))
            is_last = not following
            yield Page(page, position_of(newest) if is_last and newest is not None else position)
            page = following

    def _records(self, position: str | None) -> Iterator[Record]:
        try:
            for item in self._resource(position):
                for record in _as_records(item):
                    yield from _elements(record, self._options.each)
        except SourceError:
            raise
        except Exception as error:  # whatever the source's own code and its service come up with
            raise SourceError(f"Reading {self._source.name} through dlt failed: {error}") from error

    def _resource(self, position: str | None) -> Any:
        dlt, options = _dlt(), self._options
        made = self._made(dlt)
        if hasattr(made, "resources"):
            made = self._chosen(made.resources)
        if options.cursor is not None:
            start = cursor_of(position) if position else options.start
            made.apply_hints(incremental=dlt.sources.incremental(options.cursor, initial_value=start))
        return made

    def _made(self, dlt: Any) -> Any:
        """What the named function gives. Only dlt's own kinds are called: others may write sources.yaml."""
        module, _, name = self._options.source.partition(":")
        try:
            factory: Any = getattr(import_module(module), name)
        except (ImportError, AttributeError) as error:
            raise SourceError(
                f"The source {self._source.name} names {self._options.source}, which isn't there: {error}. Is its "
                "package installed? `dlt init NAME duckdb` writes a verified source's code into a folder of that name."
            ) from error
        if not isinstance(factory, _kinds(dlt)):
            raise SourceError(f"{self._options.source} is neither a source nor a resource of dlt.")
        try:
            return factory(**self._options.arguments) if self._options.arguments else _called(factory)
        except Exception as error:  # arguments that lack, don't fit, or can't be connected with
            raise SourceError(f"The source {self._source.name} can't be made by dlt: {error}") from error

    def _chosen(self, resources: Mapping[str, Any]) -> Any:
        name = self._options.resource
        if name is None and len(resources) == 1:
            return next(iter(resources.values()))
        if name is None or name not in resources:
            raise SourceError(
                f"The source {self._source.name} needs `resource`, one of {', '.join(sorted(resources))}; it is "
                f"{name!r}."
            )
        return resources[name]

    def _newest(self, newest: Any, page: list[Record]) -> Any:
        cursor = self._options.cursor
        values = [record[cursor] for record in page if cursor and record.get(cursor) is not None]
        return max([*values, *([] if newest is None else [newest])], default=None)


def _dlt() -> Any:
    try:
        return import_module("dlt")
    except ImportError as error:
        raise SourceError("Sources of type dlt need its package: pip install 'segmentation-platform[dlt]'") from error


def _kinds(dlt: Any) -> Any:
    decorators = import_module("dlt.extract.decorators")
    return (dlt.sources.DltResource, dlt.sources.DltSource, decorators.DltSourceFactoryWrapper)


def _called(factory: Any) -> Any:
    """What a factory gives without arguments; a resource that takes none is one already."""
    return factory() if type(factory).__name__ == "DltSourceFactoryWrapper" else factory


def _as_records(item: Any) -> list[Record]:
    """What a resource yields: an object, a list of them, or a table of Arrow."""
    if isinstance(item, Mapping):
        return [item]
    found = item.to_pylist() if hasattr(item, "to_pylist") else item
    if isinstance(found, list) and all(isinstance(each, Mapping) for each in found):
        return found
    raise SourceError(
        f"The resource gives {type(item).__name__}; records have to be objects, lists of them or Arrow tables."
    )


def _elements(record: Record, each: str | None) -> Iterator[Record]:
    """A record for each element of a list in it, which stands in the list's place; the record itself without one."""
    inside = record.get(each) if each else None
    if not isinstance(inside, list):
        yield record
        return
    for element in inside:
        yield {**record, str(each): element}


def position_of(cursor: object) -> str:
    """A cursor's value with its type, as the lake keeps it."""
    kind = "datetime" if isinstance(cursor, datetime) else "date" if isinstance(cursor, date) else "value"
    return json.dumps({kind: cursor.isoformat() if isinstance(cursor, date) else cursor})


def cursor_of(position: str) -> Any:
    """The value that `position_of` has written."""
    ((kind, value),) = json.loads(position).items()
    if kind == "datetime":
        moment = datetime.fromisoformat(value)
        return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return date.fromisoformat(value) if kind == "date" else value
