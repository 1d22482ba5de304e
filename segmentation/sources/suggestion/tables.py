"""Which files of a folder hold the lines, and by which columns the others belong to them."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import takewhile
from pathlib import Path

from segmentation.sources.profiles.headers import folded
from segmentation.sources.suggestion.roles import roles_of
from segmentation.sources.suggestion.samples import Sample, together
from segmentation.sources.suggestion.values import Facts

OF_LINES = ("line_id", "product_id", "quantity", "unit_price", "amount")


@dataclass(frozen=True)
class Table:
    """Files with one header.

    Attributes:
        name: What it is called in a profile.
        files: Names or globs.
        columns: What it has.
    """

    name: str
    files: str
    columns: tuple[Facts, ...]

    def column(self, header: str) -> Facts | None:
        """The column with a header, whatever its case."""
        return next((facts for facts in self.columns if folded(facts.header) == folded(header)), None)


@dataclass(frozen=True)
class Link:
    """How a table belongs to another one, or to the lines.

    Attributes:
        table: It.
        parent: The other.
        header: The column that both have; in the table, no two rows share a value.
    """

    table: Table
    parent: Table
    header: str


def tables_of(samples: Sequence[Sample]) -> list[Table]:
    """A table per set of headers."""
    by_headers: dict[tuple[str, ...], list[Sample]] = {}
    for sample in samples:
        by_headers.setdefault(sample.headers, []).append(sample)
    return [_table(group) for group in by_headers.values()]


def lines_and_links(tables: Sequence[Table]) -> tuple[Table, list[Link]]:
    """The table of the lines, and how the others are joined with it, each after its parent."""
    lines = max(tables, key=lambda table: sum(role in OF_LINES for role in roles_of(table.columns)))
    links: list[Link] = []
    rest = [table for table in tables if table is not lines]
    reached = [lines]
    for parent in reached:  # grows
        for table in list(rest):
            if header := _shared_key(parent, table):
                links.append(Link(table, parent, header))
                reached.append(table)
                rest.remove(table)
    return lines, links


def _table(group: Sequence[Sample]) -> Table:
    names = [sample.path.name for sample in group]
    path = Path(names[0])
    stem = "".join(chars[0] for chars in takewhile(lambda chars: len(set(chars)) == 1, zip(*names, strict=False)))
    files = names[0] if len(names) == 1 else f"{stem}*{path.suffix}"
    words = [word for word in folded(path.name.split(".")[0]).replace("-", "_").split("_") if word.isidentifier()]
    name = "_".join(word for word in words if word not in ("dataset", "export", "olist")) or "table"
    columns = tuple(Facts.of(column) for column in together(group).columns)
    return Table(name if name.isascii() else "table", files, columns)


def _shared_key(parent: Table, table: Table) -> str | None:
    """A column of both that tells the table's rows apart."""
    for facts in table.columns:
        is_key = facts.filled == 1 and facts.distinct == len(facts.values) and facts.dates < 0.5
        if is_key and (other := parent.column(facts.header)) and _overlap(facts, other):
            return facts.header
    return None


def _overlap(facts: Facts, other: Facts) -> bool:
    """Whether values look like those of the other column: samples of large files need not share any."""
    return bool(set(facts.values) & set(other.values)) or len(facts.values) > 1_000
