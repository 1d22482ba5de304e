"""Source profiles: how a source is read and what its lines mean, as data.

A profile is YAML. Those in `profiles/` come with the platform and are documented examples; users write their own
without touching Python. How a profile's expressions are put to work is in `mapping`.
"""

import codecs
from collections.abc import Iterator
from importlib.resources import files
from pathlib import Path
from typing import Annotated, Literal

import duckdb
import yaml
from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    StringConstraints,
    ValidationError,
    field_validator,
    model_validator,
)

from segmentation.errors import SourceError
from segmentation.sources.profiles.contract import CLEANED_BY, PRODUCT_CLEANED_BY, REFUSED_AS, REQUIRED
from segmentation.sources.profiles.input_names import (
    problem_of_expression,
    problem_of_name,
    unknown_names,
    with_quoted_inputs,
)
from segmentation.sources.profiles.synonyms import SYNONYMS
from segmentation.sources.profiles.yaml_text import YamlTextError, parse_yaml_text, without_nothing

SUFFIXES = (".yaml", ".yml")
RESERVED_INPUTS = ("input", "file_id", REFUSED_AS)

Name = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]*$")]
ProfileName = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9._-]*$")]
Expression = Annotated[str, BeforeValidator(lambda value: str(value) if isinstance(value, int | float) else value)]


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    @model_validator(mode="before")
    @classmethod
    def _nothing_is_left_out(cls, content: object) -> object:
        return without_nothing(cls, content)


class Input(_Part):
    """One column of the file: the headers that it may have, and whether the file may lack it (it is NULL then)."""

    headers: tuple[str, ...] = Field(min_length=1)
    optional: bool = False
    means: str | None = Field(
        None, description="A contract column whose usual headers count, too, where a file lacks some."
    )

    @field_validator("means")
    @classmethod
    def _means_a_column(cls, means: str | None) -> str | None:
        if means is not None and means not in SYNONYMS:
            raise ValueError(f"there is no column {means!r}; known are {', '.join(SYNONYMS)}")
        return means


def _as_input(value: object) -> object:
    if isinstance(value, str):
        return {"headers": [value]}
    return {"headers": value} if isinstance(value, list) else value


Inputs = dict[Name, Annotated[Input, BeforeValidator(_as_input)]]


class Rule(_Part):
    """One reason to reject a line: its name, and the SQL condition over contract columns and `input.…`."""

    name: Name
    reject: Expression


Ascii = Annotated[str, StringConstraints(pattern=r"^[\x01-\x09\x0b\x0c\x0e-\x7f]$")]


class Reader(_Part):
    """How text and spreadsheet files are to be read; Parquet needs none of it."""

    format: Literal["csv", "json", "excel", "parquet"] | None = Field(
        None, description="What the files are; None: by their content and suffix."
    )
    delimiter: Ascii | Literal["whitespace"] | None = Field(
        None, description="CSV, one ASCII character, or `whitespace` for any of it; None: found by the header."
    )
    quote: Annotated[
        Ascii | Literal["off"] | None, BeforeValidator(lambda value: "off" if value is False else value)
    ] = Field(
        None, description="CSV, what quotes; `off`: nothing does; None: double quotes, unless they are characters."
    )
    escape: Ascii | None = Field(
        None, description="CSV, what makes the next character an ordinary one, beside doubled quotes."
    )
    skip: int | None = Field(None, ge=0, le=10_000, description="Lines above the header; None: it is looked for.")
    names: tuple[str, ...] | None = Field(None, min_length=1, description="The columns of files without a header.")
    encoding: str = Field("utf-8", description="CSV and JSON: any encoding that Python knows.")
    decimal: Literal[".", ","] = Field(".", description="Decimal mark of numbers that are written as text.")
    dates: Literal["month_first", "day_first", "year_first"] | None = Field(
        None, description="How dates such as 05/06/21 are read; None: the month first, before points the day."
    )
    nulls: tuple[str, ...] = Field((), description="What stands for nothing in ids and texts, beside NULL and such.")
    sheet: str | None = Field(None, description="Excel; None: all sheets that have the profile's columns.")
    path: str | None = Field(None, description="JSON, dotted: the list of records inside of a document.")
    each: str | None = Field(None, description="JSON, dotted: the list inside of a record whose elements are lines.")

    @property
    def quote_mark(self) -> str | None:
        """What quotes as far as the profile says; None where nothing does."""
        return None if self.quote == "off" else self.quote or '"'

    def of_companions(self) -> "Reader":
        """For files of another layout that come with the lines."""
        nothing = dict.fromkeys(("format", "skip", "names", "sheet", "path", "each"))
        return self.model_copy(update=nothing)

    @model_validator(mode="after")
    def _marks_differ(self) -> "Reader":
        marks = [mark for mark in (self.delimiter, self.quote_mark, self.escape) if mark is not None]
        if len(set(marks)) < len(marks):
            raise ValueError("delimiter, quote and escape can't be the same character")
        return self

    @field_validator("encoding")
    @classmethod
    def _encoding_is_known(cls, encoding: str) -> str:
        try:
            codecs.getincrementaldecoder(encoding)
            "".encode(encoding)  # some codecs are not of text
        except (LookupError, UnicodeError) as error:
            raise ValueError(f"Python knows no encoding {encoding!r}; try utf-8, latin-1 or cp1252") from error
        return encoding


class ProductList(_Part):
    """The product list that comes with the transactions."""

    files: tuple[str, ...] = Field(min_length=1, description="Paths from the transactions' folder; the first there.")
    optional: bool = False
    inputs: Inputs
    columns: dict[str, Expression]

    @model_validator(mode="after")
    def _columns_are_known(self) -> "ProductList":
        _check_columns(self.columns, set(PRODUCT_CLEANED_BY), {"product_id"})
        return self


class Carry(_Part):
    """Inputs that stand on one line of an order and hold for all of them."""

    by: Name | None = Field(None, description="The order's input; None: whatever stands in the lines above.")
    inputs: tuple[Name, ...] = Field(min_length=1)


class TableInput(Input):
    """One column of a table that lines are joined with; several rows of a key are combined."""

    combine: Literal["sum", "min", "max", "first", "last", "count", "list"] | None = None


def _as_names(value: object) -> object:
    return (value,) if isinstance(value, str) else value


class JoinedTable(_Part):
    """A table that belongs to the lines: rows that they are joined with by a key, or further lines."""

    files: Annotated[tuple[str, ...], BeforeValidator(_as_names)] | None = Field(
        None, min_length=1, description="Names or globs, from the lines' folder; None: the file of the lines itself."
    )
    sheet: str | None = Field(None, description="Excel: the table's sheet.")
    path: str | None = Field(None, description="JSON, dotted: the list of the table's records in a document.")
    optional: bool = Field(False, description="Whether there may be no file, and no row for a line.")
    lines: bool = Field(False, description="Whether its rows are further lines, instead of being joined.")
    key: dict[Name, Name] = Field({}, description="The table's inputs = inputs of lines, or of an earlier table.")
    inputs: dict[Name, Annotated[TableInput, BeforeValidator(_as_input)]]

    @property
    def is_combined(self) -> bool:
        """Whether several rows of a key become one."""
        return any(entry.combine for entry in self.inputs.values())

    @model_validator(mode="after")
    def _can_be_read(self) -> "JoinedTable":
        if self.files is None and self.sheet is None and self.path is None:
            raise ValueError("a table needs `files`, or in the file of the lines a `sheet` or `path`")
        if self.lines == bool(self.key):
            raise ValueError("a table needs a `key`; one whose rows are further lines (`lines: true`) has none")
        if unknown := [name for name in self.key if name not in self.inputs]:
            raise ValueError(f"`key` names {', '.join(unknown)}, which the table's `inputs` lack")
        uncombined = [name for name, entry in self.inputs.items() if name not in self.key and not entry.combine]
        combined = [name for name in self.key if self.inputs[name].combine]
        if self.is_combined and (uncombined or combined):
            raise ValueError(
                f"of a table either all inputs but the key have `combine` or none; see {(uncombined + combined)[0]}"
            )
        return self


class Profile(_Part):
    """How one kind of source is read and mapped to the transaction contract."""

    name: ProfileName
    description: str = ""
    location: str | None = Field(None, description="`package:PACKAGE/PATH` of data that an installed package ships.")
    timezone: str = Field("UTC", description="Zone of times that don't say theirs.")
    files: Annotated[tuple[str, ...], BeforeValidator(_as_names)] | None = Field(
        None, min_length=1, description="Names or globs of a folder's files of lines; None: all but those of `tables`."
    )
    reader: Reader = Reader()
    inputs: Inputs
    columns: dict[str, Expression] = Field(description="One SQL expression over the inputs per contract column.")
    product_name: Expression | None = Field(None, description="What a line calls its product, for lack of a list.")
    rules: tuple[Rule, ...] = ()
    products: ProductList | None = None
    tables: dict[Name, JoinedTable] = Field({}, description="What lines are joined with, in this order.")
    carry: Carry | None = Field(None, description="What is filled in from other lines of the same order in the file.")

    @model_validator(mode="after")
    def _columns_are_known(self) -> "Profile":
        _check_columns(self.columns, set(CLEANED_BY), set(REQUIRED))
        if not {"unit_price", "amount"} & set(self.columns):
            raise ValueError("`columns` needs unit_price or amount")
        if taken := [name for name in self.inputs if name in RESERVED_INPUTS]:
            raise ValueError(f"an input can't be called {', '.join(taken)}")
        if problems := [f"inputs.{name}: {problem}" for name in self.inputs if (problem := problem_of_name(name))]:
            raise ValueError("; ".join(problems))
        return self

    @model_validator(mode="after")
    def _tables_fit(self) -> "Profile":
        known = self.line_inputs
        for name, table in self.tables.items():
            if table.lines:
                continue
            if unknown := [other for other in table.key.values() if other not in known]:
                raise ValueError(f"tables.{name}: no line and no table before it has {', '.join(unknown)} of its `key`")
            if taken := sorted({REFUSED_AS, *known} & set(table.inputs)):
                raise ValueError(
                    f"tables.{name}: inputs of tables need names of their own; {', '.join(taken)} is taken"
                )
            known |= table.inputs
        return self

    @property
    def line_inputs(self) -> Inputs:
        """The inputs of lines, wherever lines are."""
        inputs: Inputs = {}
        for table in self.tables.values():
            inputs |= table.inputs if table.lines else {}
        return inputs | self.inputs

    @property
    def all_inputs(self) -> Inputs:
        """The inputs that expressions may use: those of lines and of all tables."""
        inputs = self.line_inputs
        for table in self.tables.values():
            inputs |= {} if table.lines else table.inputs
        return inputs

    @model_validator(mode="after")
    def _carried_inputs_are_known(self) -> "Profile":
        carried = (*self.carry.inputs, *([self.carry.by] if self.carry.by else [])) if self.carry else ()
        if unknown := sorted(set(carried) - set(self.inputs)):
            raise ValueError(f"`carry` names {', '.join(unknown)}, which `inputs` lacks")
        return self

    def to_yaml(self) -> str:
        """The profile as YAML that `parse_profile` reads back; equal profiles give equal text."""
        return yaml.safe_dump(
            self.model_dump(mode="json", exclude_defaults=True), sort_keys=False, allow_unicode=True, width=110
        )


def bundled_profiles() -> tuple[str, ...]:
    """Names of the profiles that come with the platform."""
    folder = files("segmentation.sources.profiles")
    return tuple(sorted(entry.name.removesuffix(".yaml") for entry in folder.iterdir() if entry.name.endswith(".yaml")))


def load_profile(name_or_path: str) -> Profile:
    """A bundled profile by its name, or one from a YAML file.

    Raises:
        SourceError: There is no such profile, or it is malformed; the message says where.
    """
    if name_or_path in bundled_profiles():
        bundled = files("segmentation.sources.profiles") / f"{name_or_path}.yaml"
        return parse_profile(bundled.read_text(encoding="utf-8"), name_or_path)
    path = Path(name_or_path)
    if path.suffix.lower() not in SUFFIXES:
        raise SourceError(
            f"There is no profile {name_or_path!r}. Bundled are {', '.join(bundled_profiles())}; "
            "or give the path of your own, ending in .yaml."
        )
    if path.exists() and not path.is_file():  # a pipe would be waited for
        raise SourceError(f"{name_or_path} is no file. Write the profile to one.")
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise SourceError(
            f"Can't read the profile {name_or_path}: {error}. Bundled are {', '.join(bundled_profiles())}."
        ) from error
    return parse_profile(text, name_or_path)


def parse_profile(text: str, origin: str) -> Profile:
    """A profile from YAML text.

    Args:
        text: The YAML.
        origin: Where it comes from, for messages.

    Raises:
        SourceError: It isn't YAML, has unknown or missing keys, or an expression isn't one SQL expression.
    """
    try:
        content: object = parse_yaml_text(text)
    except YamlTextError as error:
        raise SourceError(f"The profile {origin} is not valid YAML: {error}") from error
    if not isinstance(content, dict):
        raise SourceError(f"The profile {origin} is not a YAML mapping with keys such as name, inputs and columns.")
    try:
        profile = Profile.model_validate(content)
    except ValidationError as error:
        problems = "\n".join(f"  {_place(e['loc'])}: {e['msg']}" for e in error.errors())
        raise SourceError(f"The profile {origin} is malformed:\n{problems}") from error
    with duckdb.connect() as con:
        profile = _with_quoted_inputs(con, profile)
        if problems := "\n".join(f"  {problem}" for problem in _sql_problems(con, profile)):
            raise SourceError(f"The profile {origin} has expressions that can't be used:\n{problems}")
    return profile


def _place(location: tuple[int | str, ...]) -> str:
    return ".".join(str(part) for part in location) or "profile"


def _check_columns(columns: dict[str, Expression], known: set[str], required: set[str]) -> None:
    if unknown := sorted(set(columns) - known):
        raise ValueError(f"`columns` has unknown {', '.join(unknown)}; known are {', '.join(sorted(known))}")
    if missing := sorted(required - set(columns)):
        raise ValueError(f"`columns` lacks {', '.join(missing)}")


def _with_quoted_inputs(con: duckdb.DuckDBPyConnection, profile: Profile) -> Profile:
    """The profile with inputs that are called like words of SQL in quotation marks, where its expressions have them."""

    def changed(expressions: dict[str, Expression], inputs: Inputs) -> dict[str, Expression]:
        return {name: with_quoted_inputs(con, sql, inputs) for name, sql in expressions.items()}

    update: dict[str, object] = {
        "columns": changed(profile.columns, profile.all_inputs),
        "rules": tuple(
            rule.model_copy(update={"reject": with_quoted_inputs(con, rule.reject, profile.all_inputs)})
            for rule in profile.rules
        ),
    }
    if profile.product_name is not None:
        update["product_name"] = with_quoted_inputs(con, profile.product_name, profile.all_inputs)
    if (products := profile.products) is not None:
        update["products"] = products.model_copy(update={"columns": changed(products.columns, products.inputs)})
    return profile.model_copy(update=update)


def _sql_problems(con: duckdb.DuckDBPyConnection, profile: Profile) -> Iterator[str]:
    over_inputs = [(f"columns.{name}", sql, profile.all_inputs) for name, sql in profile.columns.items()]
    if profile.product_name is not None:
        over_inputs.append(("product_name", profile.product_name, profile.all_inputs))
    if profile.products is not None:
        inputs = profile.products.inputs
        over_inputs += [(f"products.columns.{name}", sql, inputs) for name, sql in profile.products.columns.items()]
    for place, sql, inputs in over_inputs:
        if problem := problem_of_expression(con, sql, inputs) or unknown_names(con, sql, inputs):
            yield f"{place}: {problem}"
    for rule in profile.rules:  # they see the contract's columns, too
        if problem := problem_of_expression(con, rule.reject, profile.all_inputs):
            yield f"rules.{rule.name}: {problem}"
    zone = con.execute("SELECT count(*) FROM pg_timezone_names() WHERE name = $name", {"name": profile.timezone})
    if zone.fetchone() == (0,):
        yield f"timezone: there is no time zone {profile.timezone!r}; write it as in Europe/London"


def require_line_ids(profile: Profile) -> None:
    """Complain about a profile that gives lines no id: repeats of a delivered line couldn't be told.

    Raises:
        SourceError: So it is.
    """
    if "line_id" not in profile.columns:
        raise SourceError(
            f"The profile {profile.name} gives no line_id. Lines that are pushed, streamed or read from a database "
            "need one, so that a repeated or corrected line is told from a new one; for example "
            "`line_id: order || '/' || position`."
        )


def require_single_lines(profile: Profile) -> None:
    """Complain about a profile that puts lines together from several: what is delivered is looked at line by line.

    Raises:
        SourceError: So it is.
    """
    parts = [name for name in ("carry", "tables") if getattr(profile, name)]
    if parts:
        raise SourceError(
            f"The profile {profile.name} puts lines together from several (`{parts[0]}`), which only files can have. "
            "Lines that are pushed, streamed or read from a database have to be whole; a database can join them itself "
            "(`query:`)."
        )
