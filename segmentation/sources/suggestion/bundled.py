"""Which bundled profile fits a file: the one whose columns are all there."""

import re
from collections.abc import Collection, Mapping, Sequence
from importlib.resources import files

from segmentation.sources.profiles.headers import folded
from segmentation.sources.profiles.profile import Input, Profile, bundled_profiles, load_profile
from segmentation.sources.suggestion.samples import Sample

MIN_COLUMNS = 4
"""Fewer are in files of all kinds."""


def bundled_for(samples: Sequence[Sample]) -> str | None:
    """The bundled profile with the most columns of files, none of those that it needs lacking; None if none fits.

    Args:
        samples: One per kind of file: several are tables that belong together.
    """
    headers = [{folded(header) for header in sample.headers} for sample in samples]
    found = [(score, name) for name in bundled_profiles() if (score := _columns_there(load_profile(name), headers))]
    return max(found)[1] if found else None


def text_of(name: str, timezone: str | None) -> str:
    """A bundled profile's YAML with its comments, and another time zone where one is given."""
    text = (files("segmentation.sources.profiles") / f"{name}.yaml").read_text(encoding="utf-8")
    if timezone is None:
        return text
    line = f"timezone: {timezone}"
    if re.search(r"(?m)^timezone: ", text):
        return re.sub(r"(?m)^timezone: .*$", line, text)
    return re.sub(r"(?m)^name: .*$", lambda match: f"{match[0]}\n{line}", text, count=1)


def _columns_there(profile: Profile, headers: Sequence[set[str]]) -> int:
    """How many of a profile's columns there are; 0 if one that it needs is lacking, or a table is too many."""
    joined = [table for table in profile.tables.values() if not table.optional]
    if (len(headers) > 1) != bool(profile.tables):
        return 0
    parts: list[Mapping[str, Input]] = [profile.inputs, *(table.inputs for table in joined)]
    found = [_most_there(inputs.values(), headers) for inputs in parts]
    return sum(found) if all(found) and sum(found) >= MIN_COLUMNS else 0


def _most_there(inputs: Collection[Input], headers: Sequence[set[str]]) -> int:
    """How many inputs the file has that has most of them, none that is needed lacking."""
    fitting = [names for names in headers if all(_is_there(each, names) for each in inputs if not each.optional)]
    return max((sum(_is_there(each, names) for each in inputs) for names in fitting), default=0)


def _is_there(entry: Input, headers: set[str]) -> bool:
    return any(folded(header) in headers for header in entry.headers)
