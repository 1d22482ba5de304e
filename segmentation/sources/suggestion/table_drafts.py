"""The part of a draft that says which tables there are, and how they are joined."""

import re
from collections.abc import Mapping, Sequence

from segmentation.sources.suggestion.drafts import Draft, flow, mapping
from segmentation.sources.suggestion.tables import Link, Table
from segmentation.sources.suggestion.values import Facts


def add_tables(draft: Draft, links: Sequence[Link], names: Mapping[int, str]) -> None:
    """Add `tables:` with those that are needed.

    Args:
        draft: Where to add it.
        links: How tables are joined, each after its parent.
        names: Input by the identity of its column.
    """
    needed = needed_links(links, names)
    if not needed:
        return
    draft.remark("Files that belong to the lines: they are joined where the keys are equal.")
    draft.add("tables:")
    for link in needed:
        key = link.table.column(link.header)
        own = {
            names[id(facts)]: [facts.header] for facts in link.table.columns if id(facts) in names and facts is not key
        }
        for child in needed:
            if child.parent is link.table and (facts := link.table.column(child.header)):
                own[key_input(link.table, facts, names)] = [facts.header]
        parent = link.parent.column(link.header)
        draft.add(f"  {link.table.name}:")
        draft.add(f"    files: {flow([link.table.files])}")
        told = f"{link.table.name} were taken to be joined by {link.header}."
        draft.add(f"    key: {mapping({_own_key(link): key_input(link.parent, parent, names)})}", doubt=told)
        draft.add(f"    inputs: {mapping({_own_key(link): [link.header], **own})}")
    draft.add()


def needed_links(links: Sequence[Link], names: Mapping[int, str]) -> list[Link]:
    """The tables that have an input, and those by which they are reached."""
    needed: list[Link] = []
    for link in reversed(links):
        has_input = any(id(facts) in names and facts.header != link.header for facts in link.table.columns)
        if has_input or any(child.parent is link.table for child in needed):
            needed.insert(0, link)
    return needed


def key_input(table: Table, facts: Facts | None, names: Mapping[int, str]) -> str:
    """What the column is called by which a table is reached: as its role, or by its own name."""
    if facts is None:
        return "key"
    word = re.sub(r"[^a-z0-9]+", "_", facts.header.lower()).strip("_") or "key"
    return names.get(id(facts), f"{table.name}_{word}")


def _own_key(link: Link) -> str:
    return f"{link.table.name}_key"
