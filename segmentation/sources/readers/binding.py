"""Which column of a file is which input of a profile."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from segmentation.errors import SourceError
from segmentation.sources.profiles.profile import Inputs, Reader
from segmentation.sources.readers.limits import ReadingLimits

SHOWN_NAMES, NAME_CHARS = 20, 60
"""What a message shows of a file's columns."""


@dataclass(frozen=True)
class Wanted:
    """What is to be read from files.

    Attributes:
        profile: The profile's name, for messages.
        inputs: The inputs and the headers that they may have.
        reader: How text and spreadsheets are read.
        limits: What reading a file may cost.
        is_ordered: Whether lines keep their place in the file, as `row_at`.
    """

    profile: str
    inputs: Inputs
    reader: Reader
    limits: ReadingLimits
    is_ordered: bool = False


Binding = dict[str, str | None]
"""Per input, the header that it has in a file; None where an optional one is lacking."""


def bind(wanted: Wanted, header: Iterable[str], path: Path) -> Binding:
    """Find each input's column by its header; case and surrounding white space don't matter.

    Raises:
        SourceError: The file lacks an input that isn't optional.
    """
    present: dict[str, str] = {}
    for name in header:
        present.setdefault(_folded(name), name)
    bound = {
        name: next((present[_folded(h)] for h in entry.headers if _folded(h) in present), None)
        for name, entry in wanted.inputs.items()
    }
    lacking = [name for name, entry in wanted.inputs.items() if bound[name] is None and not entry.optional]
    if lacking:
        accepted = "; ".join(f"`{name}` (as {' or '.join(wanted.inputs[name].headers)})" for name in lacking)
        raise SourceError(
            f"{path} lacks what the profile {wanted.profile} reads: {accepted}. The file has "
            f"{_listed(list(present.values()))}. Name another profile with --profile, or add the file's "
            "header to the profile's `inputs`."
        )
    return bound


def refuse_repeated(wanted: Wanted, header: Iterable[str], path: Path) -> None:
    """Complain about a header with the same input twice: nobody can tell which one is meant.

    Raises:
        SourceError: So it is.
    """
    known = {_folded(name) for entry in wanted.inputs.values() for name in entry.headers}
    times = Counter(_folded(name) for name in header)
    repeated = [name for name in times if times[name] > 1 and name in known]
    if repeated:
        raise SourceError(
            f"{path} has the column {repeated[0]!r} {times[repeated[0]]} times. Rename or remove all but one."
        )


def _listed(names: list[str]) -> str:
    """Some names, each cut: a file may have any number of columns, and call them anything."""
    shown = [name if len(name) <= NAME_CHARS else f"{name[:NAME_CHARS]}…" for name in names[:SHOWN_NAMES]]
    more = f" and {len(names) - SHOWN_NAMES} more" if len(names) > SHOWN_NAMES else ""
    return ", ".join(shown) + more if names else "no columns"


def _folded(header: str) -> str:
    return header.strip().casefold()
