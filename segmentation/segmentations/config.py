"""`segmentations.yaml`: segmentations of one's own, declared in one file. What they are made of is `definition`.

Everything is checked here, before anything is asked of a lake: names, and each condition on an empty relation.
"""

import re
from collections.abc import Iterator, Mapping
from functools import lru_cache
from importlib.resources import files
from typing import Annotated, Any

import duckdb
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, field_validator, model_validator

from segmentation.errors import SegmentationError, SeveralProblemsError
from segmentation.metadata.tables.segments import MODEL
from segmentation.quoting import shown
from segmentation.segmentations.conditions import problem_of_condition
from segmentation.segmentations.definition import EVERYBODY_ELSE, Definition, SegmentRule
from segmentation.settings import Settings
from segmentation.sources.profiles.yaml_text import NOTHING, YamlTextError, parse_yaml_text, without_nothing

SEGMENTATION_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_-]{0,63}")
MOST = 100
"""So many segmentations, and segments of one."""

BUNDLED = ("rfm_quintiles",)
"""Definitions that come with the platform."""

EXAMPLE = """\
segmentations:
  rfm: # the ten named segments of recency, frequency and monetary value
    bundled: rfm_quintiles
  loyalty:
    description: Whom the loyalty team calls
    segments: # the first condition that is true takes the customer
      - name: Champions
        when: rfm_segment = 'Champions'
        advice: Ask them for a review; no discount.
      - name: Big spenders on discount
        when: net_revenue > 500 AND discount_share > 0.3
    otherwise: Everybody else
"""
"""What people may paste into `segmentations.yaml`."""


def _one_line(value: object) -> object:
    return re.sub(r"\s+", " ", value).strip() if isinstance(value, str) else value


Words = Annotated[str, BeforeValidator(_one_line), Field(max_length=1000)]
Name = Annotated[str, BeforeValidator(_one_line), Field(min_length=1, max_length=100)]


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    @model_validator(mode="before")
    @classmethod
    def _nothing_is_left_out(cls, content: object) -> object:
        return without_nothing(cls, content)


class _Otherwise(_Part):
    name: Name = EVERYBODY_ELSE
    description: Words = ""
    advice: Words = ""


class _Segment(_Otherwise):
    name: Name
    when: str = Field(min_length=1)


class _Segmentation(_Part):
    description: Words = ""
    segments: tuple[_Segment, ...] = Field(min_length=1, max_length=MOST)
    otherwise: _Otherwise = _Otherwise()

    @field_validator("otherwise", mode="before")
    @classmethod
    def _a_name_is_enough(cls, value: object) -> object:
        return {"name": value} if isinstance(value, str) else value

    @model_validator(mode="after")
    def _names_differ(self) -> "_Segmentation":
        names = [segment.name.casefold() for segment in (*self.segments, self.otherwise)]
        twice = next((name for name in names if names.count(name) > 1), None)
        if twice is not None:
            raise ValueError(f"two segments are called {shown(twice)}; each needs a name of its own")
        return self


class _Bundled(_Part):
    bundled: str
    description: Words = ""

    @field_validator("bundled")
    @classmethod
    def _is_bundled(cls, value: str) -> str:
        if value not in BUNDLED:
            raise ValueError(f"there is none called {shown(value)}; there is {', '.join(BUNDLED)}")
        return value


class _File(BaseModel):
    model_config = ConfigDict(extra="forbid")
    segmentations: dict[str, dict[str, Any]] = Field(max_length=MOST)


def declared_segmentations(settings: Settings) -> dict[str, Definition] | None:
    """All declared segmentations by name, checked; None if there is no file, so that nobody has said anything.

    Raises:
        SegmentationError: The file can't be read, or something in it is wrong; the message says where, and what to do.
    """
    path = settings.segmentations
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return None
    except (OSError, UnicodeDecodeError) as error:
        raise SegmentationError(f"Can't read {path} (SEGMENTATION_SEGMENTATIONS): {error}") from error
    return dict(parse_segmentations(text, str(path)))


@lru_cache(maxsize=4)
def parse_segmentations(text: str, origin: str) -> Mapping[str, Definition]:
    """Segmentations from YAML, checked; the same text is checked once.

    Args:
        text: What the file holds; all words in it are text, `off` and `no` too.
        origin: What messages call it.

    Raises:
        SegmentationError: Something is wrong; of several things each has a line.
    """
    try:
        content: object = parse_yaml_text(text)
    except YamlTextError as error:
        raise SegmentationError(f"{origin} is not valid YAML: {error}") from error
    is_bare = isinstance(content, dict) and content.keys() == {"segmentations"} and not content["segmentations"]
    if content in NOTHING or is_bare:
        return {}
    try:
        parts = _File.model_validate(content).segmentations
    except ValidationError as error:
        problems = "; ".join(_told(error))
        raise SegmentationError(f"{origin} is malformed: {problems}. For example:\n\n{EXAMPLE}") from error
    found: dict[str, Definition] = {}
    problems_found: list[str] = []
    with duckdb.connect() as con:
        for name, part in parts.items():
            made = _read(con, name, part)
            if isinstance(made, Definition):
                found[name] = made
            else:
                problems_found += [f"{origin}: {name}: {problem}." for problem in made]
    problems_found += [f"{origin}: {problem}." for problem in _alike(parts)]
    if problems_found:
        raise SeveralProblemsError(problems_found)
    return found


def bundled(name: str) -> dict[str, Any]:
    """What a definition that comes with the platform says, as a file would."""
    text = (files("segmentation.segmentations") / "bundled" / f"{name}.yaml").read_text(encoding="utf-8")
    content: dict[str, Any] = parse_yaml_text(text)
    return content


def _read(con: duckdb.DuckDBPyConnection, name: str, part: Mapping[str, Any]) -> Definition | list[str]:
    """A definition, or what is wrong with it."""
    if name.casefold() == MODEL:
        return [f"{MODEL} is the name of the model's own segmentation; choose another one"]
    if not SEGMENTATION_NAME.fullmatch(name):
        return ["a segmentation's name has letters, digits, _ and - alone, at most 64, and begins with a letter"]
    try:
        if "bundled" in part:
            chosen = _Bundled.model_validate(part)
            part = bundled(chosen.bundled) | ({"description": chosen.description} if chosen.description else {})
        declared = _Segmentation.model_validate(part)
    except ValidationError as error:
        return list(_told(error))
    problems = [
        f"segment {shown(segment.name)}: {problem}"
        for segment in declared.segments
        if (problem := problem_of_condition(con, segment.when))
    ]
    return problems or _definition(name, declared)


def _definition(name: str, declared: _Segmentation) -> Definition:
    rules = [SegmentRule(s.name, s.when.strip(), s.description, s.advice) for s in declared.segments]
    rest = declared.otherwise
    return Definition(name, (*rules, SegmentRule(rest.name, None, rest.description, rest.advice)), declared.description)


def _alike(names: Mapping[str, object]) -> Iterator[str]:
    seen: dict[str, str] = {}
    for name in names:
        if (other := seen.setdefault(name.casefold(), name)) != name:
            yield f"{other} and {name} differ in capitals alone; choose another name for one"


def _told(error: ValidationError) -> Iterator[str]:
    for each in error.errors():
        where = ".".join(str(part + 1) if isinstance(part, int) else part for part in each["loc"])
        told = each["msg"].removeprefix("Value error, ")
        yield f"{where}: {told}" if where else told
