"""`sources.yaml`: where transactions come from, declared in one file. How each kind is read is elsewhere."""

import os
import re
from collections.abc import Mapping
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from segmentation.errors import SourceError
from segmentation.settings import Settings
from segmentation.sources.profiles.profile import Profile, load_profile, require_line_ids, require_single_lines
from segmentation.sources.profiles.yaml_text import NOTHING, YamlTextError, parse_yaml_text, without_nothing

PLUGINS = "segmentation.sources"
"""Group of the entry points that name further types of sources."""

SOURCE_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
TYPED = ("options",)
"""Keys whose values are handed on to others, with the types that YAML gives them; all other scalars are text."""

VARIABLE = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)(?::-([^}]*))?\}")

EXAMPLE_OF = {
    "files": """\
sources:
  till: # a day's export after the other
    type: files
    path: /data/till/*.csv
    profile: canonical
""",
    "postgres": """\
sources:
  shop: # what has changed since it was read last
    type: postgres
    connection: postgresql://reader:${SHOP_PASSWORD}@db.example/shop
    table: public.order_lines
    cursor: updated_at
""",
    "dlt": """\
sources:
  shop-api: # what a dlt source reads; needs a `profile:` for its records
    type: dlt
    options:
      source: shopify_dlt:shopify_source
      resource: orders
      arguments: {private_app_password: "${SHOP_PASSWORD}", shop_url: https://my-shop.myshopify.com}
      each: line_items
      cursor: updated_at
""",
    "push": """\
sources:
  web-shop: # lines come in by POST /v1/transactions?source=web-shop
    type: push
""",
    "kafka": """\
sources:
  app: # read by `segmentation stream app`
    type: kafka
    servers: broker.example:9092
    topic: order-lines
""",
}
"""What people may paste into `sources.yaml`, by type."""


class SourceConfig(BaseModel):
    """What all sources have."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    delivers: ClassVar[bool] = True
    """Whether lines are delivered, and not read from files."""

    name: str
    type: str
    profile: str = Field("canonical", description="A bundled profile, or the path of a YAML file.")
    description: str = ""
    schedule: str = Field("", description="When it is read, as cron has it (UTC); never by itself if left out.")
    fresh_within_hours: float | None = Field(
        None, gt=0, description="Lines are expected at least this often; Dagster tells when none have come."
    )

    @model_validator(mode="before")
    @classmethod
    def _nothing_is_left_out(cls, content: object) -> object:
        return without_nothing(cls, content)

    def read_profile(self) -> Profile:
        """The profile.

        Raises:
            SourceError: It is missing, malformed, or lacks the `line_id` that delivered lines need.
        """
        profile = load_profile(self.profile)
        if self.delivers:
            require_line_ids(profile)
            require_single_lines(profile)
        return profile


class FilesSource(SourceConfig):
    """Files on a disk or in an object store."""

    delivers: ClassVar[bool] = False
    type: Literal["files"]
    path: str = Field(description="A file, folder or glob; or `s3://`, `gs://`, `az://` with one.")


class DatabaseSource(SourceConfig):
    """A table, or a query, of a database, read on from where it was left."""

    type: Literal["postgres", "mysql"]
    connection: str = Field(description="`postgresql://user:password@host/database`, or `key=value` pairs.")
    table: str | None = None
    query: str | None = None
    cursor: str = Field(description="Column that grows with each change, such as an id or the time of the change.")
    overlap: float = Field(
        300, ge=0, description="How far back each reading begins, for rows that were committed late: seconds or ids."
    )
    page_lines: int = Field(20_000, ge=1, description="Rows that are read and written at a time.")

    @model_validator(mode="after")
    def _table_or_query(self) -> "DatabaseSource":
        if (self.table is None) == (self.query is None):
            raise ValueError("give either `table` or `query`")
        return self


class DltOptions(BaseModel):
    """Which resource of dlt is read, and how."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    source: str = Field(
        pattern=r"^[A-Za-z_][\w.]*:[A-Za-z_]\w*$",
        description="`package.module:function` of a source or resource of dlt.",
    )
    resource: str | None = Field(None, description="Which of a source's resources; not needed if it has one.")
    arguments: dict[str, Any] = Field({}, description="Of the function.")
    each: str | None = Field(None, description="List in a record whose elements are the lines.")
    cursor: str | None = Field(
        None, description="Field that grows with each change; all is read each time if left out."
    )
    start: Any = Field(None, description="Where the cursor begins the first time.")
    page_lines: int = Field(5_000, ge=1, description="Lines that are written at a time.")


class DltSource(SourceConfig):
    """A resource of dlt, read on by its cursor."""

    type: Literal["dlt"]
    options: DltOptions


class PushSource(SourceConfig):
    """Lines that others send to the scorer's `POST /v1/transactions`."""

    type: Literal["push"]


class KafkaSource(SourceConfig):
    """A Kafka topic, read by `segmentation stream`."""

    type: Literal["kafka"]
    servers: str = Field(description="Bootstrap servers, separated by commas.")
    topic: str
    group: str = Field("", description="Consumer group that shares the partitions; one of the lake's own if left out.")
    format: Literal["json", "avro"] = "json"
    schema_registry: str = Field(
        "", pattern=r"^(https?://\S+)?$", description="URL of the schema registry of Avro messages."
    )
    avro_schema: Path | None = Field(None, description="File with the schema of Avro messages without a registry.")
    start: Literal["earliest", "latest"] = Field("earliest", description="Where to begin a topic read never before.")
    dead_letter_topic: str = Field("", description="Topic that refused messages are copied to.")
    batch_lines: int = Field(5_000, ge=1, le=20_000, description="Messages that are written at a time at most.")
    linger_s: float = Field(0.25, gt=0, le=60, description="How long to wait for more messages before writing.")
    flush_s: float = Field(60, gt=0, description="How often lines go from the catalogue to files.")
    options: dict[str, str | int | float | bool] = Field({}, description="Further options of librdkafka.")

    @model_validator(mode="after")
    def _schema_fits_format(self) -> "KafkaSource":
        if (self.format == "avro") != bool(self.schema_registry or self.avro_schema):
            raise ValueError("`format: avro` needs `schema_registry` or `avro_schema`, and json neither")
        return self


class PluginSource(SourceConfig):
    """A source of a type that an installed package brings."""

    options: dict[str, Any] = {}

    @field_validator("type")
    @classmethod
    def _type_is_installed(cls, kind: str) -> str:
        if kind not in plugins():
            known = ", ".join([*TYPES, *sorted(plugins())])
            raise ValueError(f"there is no type {kind!r}; known are {known}. Is its package installed?")
        return kind


TYPES: Mapping[str, type[SourceConfig]] = {
    "files": FilesSource,
    "postgres": DatabaseSource,
    "mysql": DatabaseSource,
    "dlt": DltSource,
    "push": PushSource,
    "kafka": KafkaSource,
}


Kind = TypeVar("Kind", bound=SourceConfig)


class _File(BaseModel):
    model_config = ConfigDict(extra="forbid")
    sources: dict[Annotated[str, Field(pattern=f"^{SOURCE_NAME.pattern}$")], dict[str, Any]]


def plugins() -> dict[str, EntryPoint]:
    """Types of sources that installed packages bring."""
    return {entry.name: entry for entry in entry_points(group=PLUGINS)}


def declared_sources(settings: Settings) -> dict[str, SourceConfig]:
    """All declared sources by name; none if there is no file.

    Raises:
        SourceError: The file can't be read or is malformed; the message says where.
    """
    path = settings.sources
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return {}
    except (OSError, UnicodeDecodeError) as error:
        raise SourceError(f"Can't read {path} (SEGMENTATION_SOURCES): {error}") from error
    return parse_sources(text, str(path), os.environ)


def declared_source(settings: Settings, name: str, kind: type[Kind]) -> Kind:
    """One declared source.

    Raises:
        SourceError: There is none of this name, or it is of another kind; the message says how to add one.
    """
    known = {key: each for key, each in declared_sources(settings).items() if isinstance(each, kind)}
    if name in known:
        return known[name]
    types = [key for key, each in TYPES.items() if issubclass(each, kind)]
    of_type = "" if len(types) == len(TYPES) else f" of type {' or '.join(types)}"
    there = f"It declares {', '.join(sorted(known))}." if known else f"For example:\n\n{EXAMPLE_OF[types[0]]}"
    raise SourceError(f"There is no source {name!r}{of_type} in {settings.sources} (SEGMENTATION_SOURCES). {there}")


def parse_sources(text: str, origin: str, environment: Mapping[str, str]) -> dict[str, SourceConfig]:
    """Sources from YAML; `${NAME}` and `${NAME:-default}` in texts stand for environment variables.

    Raises:
        SourceError: It is malformed; the message says where.
    """
    try:
        content: object = parse_yaml_text(text, typed=TYPED)
    except YamlTextError as error:
        raise SourceError(f"{origin} is not valid YAML: {error}") from error
    if content in NOTHING or (isinstance(content, dict) and content.keys() == {"sources"} and not content["sources"]):
        return {}
    problems: list[str] = []
    found: dict[str, SourceConfig] = {}
    try:
        parts = _File.model_validate(content).sources
    except ValidationError as error:
        raise SourceError(
            f"{origin} is malformed:\n{_told(error, '')}\nFor example:\n\n{EXAMPLE_OF['files']}"
        ) from error
    for name, part in parts.items():
        try:
            filled = {key: _filled(value, environment) for key, value in part.items()}
            found[name] = TYPES.get(str(part.get("type")), PluginSource).model_validate({**filled, "name": name})
        except KeyError as error:
            problems.append(f"  {name}: the environment has no variable {error.args[0]}")
        except ValidationError as error:
            problems.append(_told(error, f"{name}."))
    if problems:
        raise SourceError(f"{origin} is malformed:\n" + "\n".join(problems))
    return found


def _filled(value: Any, environment: Mapping[str, str]) -> Any:
    if isinstance(value, dict):
        return {key: _filled(each, environment) for key, each in value.items()}
    if not isinstance(value, str):
        return value

    def fill(match: re.Match[str]) -> str:
        name, default = match.groups()
        return environment[name] if default is None else environment.get(name, default)

    return VARIABLE.sub(fill, value)


def _told(error: ValidationError, prefix: str) -> str:
    return "\n".join(
        f"  {prefix}{'.'.join(map(str, each['loc'])) or 'file'}: {each['msg']}".replace("file: ", "")
        for each in error.errors()
    )
