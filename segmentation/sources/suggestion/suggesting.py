"""From files to a suggested profile: a bundled one that fits, or a draft."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from segmentation.errors import SourceError
from segmentation.sources.profiles.contract import REQUIRED
from segmentation.sources.profiles.headers import folded
from segmentation.sources.profiles.profile import Profile, Reader, bundled_profiles, parse_profile
from segmentation.sources.profiles.sql_words import bare_words
from segmentation.sources.readers.contents import format_at
from segmentation.sources.readers.paths import look
from segmentation.sources.suggestion.bundled import bundled_for, text_of
from segmentation.sources.suggestion.dialects import sample_text
from segmentation.sources.suggestion.drafts import Doubt
from segmentation.sources.suggestion.profile_drafts import Findings, draft_of, is_plain
from segmentation.sources.suggestion.records import sample_json
from segmentation.sources.suggestion.roles import GUESSED, Role, roles_of
from segmentation.sources.suggestion.samples import Sample, sample_parquet, together
from segmentation.sources.suggestion.tables import lines_and_links, tables_of
from segmentation.sources.suggestion.values import Facts
from segmentation.sources.suggestion.workbooks import sample_workbook

MAX_FILES = 50
"""What is looked at of a folder."""

GENERIC = "canonical"
"""The bundled profile of no particular layout: its columns say nothing of how dates and numbers are written."""

CLOCK_HEADER = re.compile(r"(?i)(order |sale )?(time|uhrzeit|zeit|hora|heure|ora|tijd)( of day)?")
CLOCK_VALUE = re.compile(r"(?i)\d{1,2}:\d{2}(:\d{2})?(\.\d+)?\s*([ap]m)?")


class NoColumnError(SourceError):
    """A file without a column for something that no expression can stand in for."""


@dataclass(frozen=True)
class Suggestion:
    """A profile for files, and what isn't sure about it.

    Attributes:
        text: The YAML.
        profile: What it says.
        doubts: What isn't sure.
        bundled: Name of the bundled profile that it is; None for a draft.
    """

    text: str
    profile: Profile
    doubts: tuple[Doubt, ...] = ()
    bundled: str | None = None


def suggest(paths: Sequence[str], *, timezone: str | None = None) -> Suggestion:
    """A profile for files.

    Args:
        paths: Files, folders or globs of one kind.
        timezone: Of times that don't say their offset; None if it isn't known.

    Raises:
        SourceError: A file can't be read.
        NoColumnError: It has no column that can be the time of an order, its customer or its price.
    """
    files = [file for path in paths for file in look(path).files]
    kinds = _kinds_of(files)
    bundled = bundled_for(kinds)
    lines, links = lines_and_links(tables_of(kinds))
    sample = together([kind for kind in kinds if kind.headers == tuple(facts.header for facts in lines.columns)])
    columns = [
        *lines.columns,
        *(facts for link in links for facts in link.table.columns if facts.header != link.header),
    ]
    roles = roles_of(columns)
    _find_clock(roles, columns)
    if bundled and bundled != GENERIC:
        return _as_bundled(bundled, roles.get("ordered_at"), timezone)
    _require(sample, roles)
    name = _name_of(sample.path if len(kinds) == 1 else sample.path.parent)
    found = Findings(name, sample, roles, timezone, lines if len(kinds) > 1 else None, tuple(links))
    draft = draft_of(found)
    if bundled and is_plain(found):
        return _as_bundled(bundled, roles.get("ordered_at"), timezone)
    return Suggestion(draft.text, parse_profile(draft.text, "that is suggested"), tuple(draft.doubts))


def _kinds_of(files: Sequence[Path]) -> list[Sample]:
    """A sample per file; of files with equal headers and names that begin alike, there may be several."""
    return [sample_of(file) for file in files[:MAX_FILES]]


def _as_bundled(name: str, moment: Role | None, timezone: str | None) -> Suggestion:
    text = text_of(name, timezone)
    profile = parse_profile(text, name)
    doubts = []
    if timezone is None and moment and _is_local(moment.facts, profile):
        lines = text.splitlines()
        at = next((number for number, line in enumerate(lines, start=1) if line.startswith("timezone:")), 1)
        doubts.append(
            Doubt(
                at,
                f"The times have no offset, and are taken for {profile.timezone}: which zone are they of? "
                "--timezone writes a copy with it.",
            )
        )
    return Suggestion(text, profile, tuple(doubts), bundled=name)


def _is_local(moment: Facts, profile: Profile) -> bool:
    """Whether a profile takes its moments from a column whose times don't say their zone, nor its name."""
    read = bare_words(profile.columns["ordered_at"])
    headers = {folded(header) for name in read & set(profile.inputs) for header in profile.inputs[name].headers}
    return folded(moment.header) in headers and moment.offsets < 0.9 and "utc" not in moment.header.lower()


def sample_of(path: Path) -> Sample:
    """Some lines of a file.

    Raises:
        SourceError: It can't be read.
    """
    kind = format_at(path, Reader())
    if kind == "zip":
        raise SourceError(f"{path} is a zip. Unpack it for the suggestion; its profile then reads the zip, too.")
    if kind == "parquet":
        return sample_parquet(path)
    if kind == "excel":
        return sample_workbook(path)
    return sample_json(path) if kind == "json" else sample_text(path)


def _find_clock(roles: dict[str, Role], columns: Sequence[Facts]) -> None:
    """The column with the time of day, where the one with the date has none."""
    moment = roles.get("ordered_at")
    if moment is None or moment.facts.clocks > 0:
        return
    for facts in columns:
        is_clock = facts.values and all(CLOCK_VALUE.fullmatch(text) for text in facts.values)
        if is_clock and CLOCK_HEADER.fullmatch(facts.header.strip()):
            roles["clock"] = Role(facts, GUESSED)


def _require(sample: Sample, roles: dict[str, Role]) -> None:
    """Complain about a file without what no expression can stand in for."""
    lacking = [role for role in ("ordered_at", "customer_id") if role not in roles]
    if not {"unit_price", "amount"} & set(roles):
        lacking.append("unit_price or amount")
    if lacking:
        names = " and ".join(name.replace("_", " ") for name in lacking)
        raise NoColumnError(
            f"No column of {sample.path} looks like the {names}. It has {', '.join(sample.headers[:30])}. A profile "
            f"needs {', '.join(REQUIRED)} and a price: where one of the columns is that, name it in a profile of your "
            "own (docs/sources.md shows one); where none is, another file has it."
        )


def _name_of(path: Path) -> str:
    stem = re.sub(r"[^a-z0-9]+", "-", path.name.split(".")[0].lower()).strip("-") or "shop"
    return f"my-{stem}" if stem in bundled_profiles() else stem
