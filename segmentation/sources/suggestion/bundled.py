"""Which bundled profile fits a file: the one whose columns are all there."""

import re
from importlib.resources import files

from segmentation.sources.profiles.headers import folded
from segmentation.sources.profiles.profile import Input, Profile, bundled_profiles, load_profile
from segmentation.sources.suggestion.samples import Sample

MIN_COLUMNS = 4
"""Fewer are in files of all kinds."""


def bundled_for(sample: Sample) -> str | None:
    """The bundled profile with the most columns of a sample, none of those that it needs lacking; None if none fits."""
    headers = {folded(header) for header in sample.headers}
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


def _columns_there(profile: Profile, headers: set[str]) -> int:
    """How many of a profile's columns there are; 0 if one that it needs is lacking."""
    needed = [entry for entry in profile.inputs.values() if not entry.optional]
    if not all(_is_there(entry, headers) for entry in needed):
        return 0
    found = sum(_is_there(entry, headers) for entry in profile.inputs.values())
    return found if found >= MIN_COLUMNS else 0


def _is_there(entry: Input, headers: set[str]) -> bool:
    return any(folded(header) in headers for header in entry.headers)
