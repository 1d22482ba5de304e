"""Which column of a file is which input of a profile."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from segmentation.errors import SourceError
from segmentation.sources.profiles.headers import folded, loosely_folded
from segmentation.sources.profiles.profile import Inputs, Reader
from segmentation.sources.profiles.synonyms import SYNONYMS
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
        is_ordered: Whether lines keep their place in the file, as `_row_at`.
    """

    profile: str
    inputs: Inputs
    reader: Reader
    limits: ReadingLimits
    is_ordered: bool = False

    def lacking(self, header: Sequence[str]) -> int:
        """How many of the inputs that have to be there a header lacks."""
        bound = _bound(self.inputs, header)
        return sum(bound[name] is None and not entry.optional for name, entry in self.inputs.items())


Binding = dict[str, str | None]
"""Per input, the header that it has in a file; None where an optional one is lacking."""


def bind(wanted: Wanted, header: Iterable[str], path: Path) -> Binding:
    """Find each input's column by its header, as `folded` compares them.

    Where the file lacks some, the usual headers of the contract columns count, too, for inputs that say what they mean.

    Raises:
        SourceError: The file lacks an input that isn't optional.
    """
    names = list(header)
    bound = _bound(wanted.inputs, names)
    lacking = [name for name, entry in wanted.inputs.items() if bound[name] is None and not entry.optional]
    if lacking:
        accepted = "; ".join(f"`{name}` (as {' or '.join(wanted.inputs[name].headers)})" for name in lacking)
        found = _listed([name for name in dict.fromkeys(names) if name])
        raise SourceError(
            f"{path} lacks what the profile {wanted.profile} reads: {accepted}. The file has {found}. Name another "
            "profile with --profile, or add the file's header to the profile's `inputs`; "
            "`segmentation sources suggest` drafts a profile for such a file."
        )
    return bound


def refuse_repeated(wanted: Wanted, header: Iterable[str], path: Path) -> None:
    """Complain about a header with the same input twice: nobody can tell which one is meant.

    Raises:
        SourceError: So it is.
    """
    names = list(header)
    known = {folded(name) for name in _bound(wanted.inputs, names).values() if name is not None}
    times = Counter(folded(name) for name in names)
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


def _bound(inputs: Inputs, header: Iterable[str]) -> Binding:
    present: dict[str, str] = {}
    for name in header:
        present.setdefault(folded(name), name)
    bound = {
        name: next((present[key] for key in map(folded, entry.headers) if key in present), None)
        for name, entry in inputs.items()
    }
    # A file that has all that is needed is read by these headers alone, whatever else it has.
    if any(bound[name] is None and not entry.optional for name, entry in inputs.items()):
        _bind_usual(inputs, bound, present.values())
    return bound


def _bind_usual(inputs: Inputs, bound: Binding, header: Iterable[str]) -> None:
    """Bind what is lacking to columns that are called as the contract's columns usually are, and not taken."""
    taken = {name for name in bound.values() if name is not None}
    free: dict[str, str] = {}
    for name in header:
        if name not in taken:
            free.setdefault(loosely_folded(name), name)
    for name, entry in inputs.items():
        if bound[name] is None and entry.means is not None:
            usual = map(loosely_folded, SYNONYMS[entry.means])
            bound[name] = next((free[key] for key in usual if key in free), None)
