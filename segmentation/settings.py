"""Every setting of the platform, in one place: `SEGMENTATION_*` variables or a `.env` file.

Settings are read once, at the edge (a command, a Dagster resource, the scorer's start), and passed on as arguments.
What is secret is a `SecretStr`, which shows itself to nobody who doesn't ask for it.
"""

import re
from datetime import date
from pathlib import Path
from typing import Any, Literal

from pydantic import Field, SecretStr, ValidationError, field_validator, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from segmentation.errors import SegmentationError
from segmentation.shop_calendar import is_zone

CLOUDS = {"s3": "s3", "gs": "gcs", "gcs": "gcs", "az": "azure", "abfss": "azure"}
"""What the address of a bucket begins with, and what DuckDB calls its cloud."""

BUCKET = re.compile(rf"({'|'.join(CLOUDS)})://[^/?*\[\]#\s][^?*\[\]#\s]*")
"""Some characters in it would mean something else to those who read it."""


class Settings(BaseSettings):
    """What an installation can choose. Frozen: a changed setting is a new object."""

    model_config = SettingsConfigDict(
        env_prefix="SEGMENTATION_", env_file=".env", frozen=True, extra="ignore", hide_input_in_errors=True
    )

    home: Path = Field(Path("warehouse"), description="Folder for everything that a run writes.")
    catalog: str = Field("", description="DuckLake catalogue: `sqlite:PATH` or `postgres:DSN`. Empty: in `home`.")
    read_catalog: str = Field(
        "",
        description="The same catalogue for everything that only reads, as a user who may do nothing else, such as "
        "`postgres:dbname=lake user=lake_read`; empty: `catalog`.",
    )
    read_catalog_password: SecretStr = Field(SecretStr(""), description="Password of that user; empty: libpq's own.")
    data_path: str = Field(
        "",
        description="Where the lake keeps its Parquet files: a folder, or a bucket as `s3://…`, `gs://…`, `az://…` or "
        "`abfss://…`; empty: `home/data/`.",
    )
    s3_endpoint: str = Field(
        "",
        pattern=r"^((https?://)?[^/\s@]+/?)?$",
        description="S3 service, as a URL or `host:port`; empty: AWS.",
    )
    s3_region: str = Field("", description="Region of the S3 buckets; empty: what AWS's own configuration says.")
    s3_key_id: str = Field("", description="Access key of S3; empty: AWS's credential chain.")
    s3_secret: SecretStr = Field(SecretStr(""), description="Secret of that key.")
    s3_url_style: Literal["auto", "path", "vhost"] = Field(
        "auto", description="Where an S3 address names the bucket; `auto`: `path` with an endpoint, else `vhost`."
    )
    s3_use_ssl: bool | None = Field(
        None, description="Whether S3 is asked over TLS; unset: as the endpoint's URL says."
    )
    gcs_key_id: str = Field("", description="HMAC key of Google Cloud Storage; empty: public buckets only.")
    gcs_secret: SecretStr = Field(SecretStr(""), description="Secret of that key.")
    azure_connection_string: SecretStr = Field(
        SecretStr(""), description="Connection string of an Azure storage account; empty: Azure's credential chain."
    )
    customer_buckets: int = Field(
        16, ge=1, le=4096, description="Buckets of `raw.transactions`. Fixed when a lake is created."
    )
    memory_limit: str = Field("", description="DuckDB's memory limit, such as `4GB`; empty: its own default.")
    threads: int | None = Field(None, ge=1, description="DuckDB's threads; unset: one per core.")
    write_timeout_s: float = Field(600, gt=0, description="How long a write waits for other writers, in seconds.")
    query_timeout_s: float = Field(
        3600, gt=0, le=86_400, description="How long a query of `segmentation sql` may run, in seconds."
    )
    keep_snapshot_days: int = Field(
        30,
        ge=1,
        description="How long snapshots of the lake stay readable, in days; those that a kept model was trained "
        "on stay longer.",
    )
    thin_snapshots_after_hours: int = Field(
        2, ge=1, description="Of snapshots older than that, in hours, maintenance keeps the last of each hour."
    )
    verify_days: int = Field(
        30, ge=1, description="How often maintenance compares each data file with its checksum, in days."
    )
    keep_models: int = Field(
        12, ge=1, description="How many model versions, the newest ones, are kept; those with an alias stay anyway."
    )

    sources: Path = Field(Path("sources.yaml"), description="File that declares where transactions come from.")
    segmentations: Path = Field(
        Path("segmentations.yaml"), description="File that declares segmentations of your own, besides the model."
    )
    allow_local_sources: bool = Field(
        False,
        description="Whether declared databases, brokers and registries may be on this machine or its network link "
        "(loopback, link-local and metadata addresses).",
    )
    read_timeout_s: float = Field(
        3_600, gt=0, description="How long the text of one source file may take to be read, in seconds."
    )
    max_file_bytes: int = Field(
        64 << 30, ge=1, description="What one source file may hold once it is decompressed, in bytes."
    )
    max_compression_ratio: float = Field(
        250, ge=1, description="How many times its own size that may be; files that hold up to 64 MiB are free of it."
    )
    currency: str = Field(
        "",
        pattern=r"^([A-Z]{3})?$",
        description="Reporting currency (ISO 4217, such as `EUR`), in which money is stored; empty: the one that all "
        "lines have.",
    )
    exchange_rates: Path | None = Field(
        None,
        description="CSV or Parquet with `day, currency, rate`: so many units of `currency` is one of that currency. "
        "Unset: lines in other currencies are refused.",
    )
    earliest_day: date = Field(
        date(2005, 1, 1),
        description="Lines of before are rejected as `implausible_date`: such dates stand for unknown ones.",
    )
    max_unreadable_share: float = Field(
        0.3,
        gt=0,
        le=1,
        description="A file is not loaded if more of a column's values, as a share of those that are there, can't be "
        "read as a date or number; 1: lines are refused one by one instead.",
    )
    partitions_start: date | None = Field(
        None, description="First day of the daily partitions; unset: the first day of the ingested data."
    )
    inbox: Path | None = Field(
        None,
        description="Folder watched by the `new_files` sensor; unset: `home/inbox`. Sub-folders name profiles.",
    )

    quiet_days: int = Field(
        0,
        ge=0,
        description="How many days after its last line a source counts as complete; for shops that don't sell every "
        "day.",
    )
    cadence: Literal["daily", "weekly", "monthly"] = Field(
        "monthly",
        description="How often snapshots are made by themselves: as of every day, of Mondays, or of firsts of months.",
    )
    refresh_days: int = Field(
        31, ge=0, description="Snapshots not older than that, in days, are made anew by themselves once they are stale."
    )
    keep_daily_days: int = Field(
        60, ge=1, description="Of snapshots older than that, in days, maintenance keeps one a week."
    )
    keep_weekly_days: int = Field(
        365, ge=1, description="Of snapshots older than that, in days, maintenance keeps one a month."
    )

    timezone: str = Field(
        "",
        description="The shop's time zone, such as `Europe/Berlin`: in it days, weeks and months begin, and hours are "
        "told. Empty: the one that the profiles of the ingested files name, if they agree; else UTC.",
    )
    lookback_days: int | None = Field(365, ge=1, description="Days before `as_of` that features look at; unset: all.")
    home_market: str | None = Field(
        None, description="The shop's home country, as its sources spell it; unset: the one with the most lines."
    )

    feature_engine: Literal["duckdb", "spark"] = Field("duckdb", description="What computes features and segments.")
    spark_master: str = Field(
        "local[*]",
        description="Where Spark runs: a master (`local[*]`, `yarn`, `spark://…`, `k8s://…`) or a Spark Connect URL "
        "(`sc://…`).",
    )

    seed: int = Field(7, ge=0, description="Seed of sampling and model fitting.")
    min_segments: int = Field(4, ge=2, description="Smallest number of segments that is tried.")
    max_segments: int = Field(8, ge=2, description="Largest number of segments that is tried.")
    min_segment_share: float = Field(0.02, gt=0, lt=0.5, description="Share of customers in the smallest segment.")
    min_separation: float = Field(
        0.15, ge=-1, le=1, description="Least simplified silhouette that a candidate model needs."
    )
    min_stability: float = Field(
        0.75, ge=0, le=1, description="Least Jaccard overlap of each segment with its like in bootstrap resamples."
    )
    min_forward_value: float = Field(
        0.02, ge=0, le=1, description="Least share of the variance of later spend that lies between segments."
    )
    max_forward_loss: float = Field(
        0.1, ge=0, le=1, description="How much worse than the best champion's that share may be, relative to it."
    )
    max_validity_loss: float = Field(
        0.05, ge=0, description="Further behind the champion's silhouette in the fixed space, there is a warning."
    )
    max_customers_moved: float = Field(
        0.12,
        ge=0,
        le=1,
        description="Share of customers that a new model alone may move to another segment without being better; each "
        "percent that it is better allows one of a hundred more.",
    )
    max_revenue_moved: float = Field(
        0.2, ge=0, le=1, description="Share of net revenue that it may move without being better; likewise."
    )
    movement_limit: float = Field(
        0.5, ge=0, le=1, description="Share of customers, and of revenue, that no gain lets a new model move at once."
    )
    migrate_after: int = Field(
        3,
        ge=0,
        description="After so many candidates in a row that didn't serve, the best one is migrated to; 0: never.",
    )
    promotion: Literal["automatic", "manual"] = Field(
        "automatic", description="Whether a candidate that passes its gates serves at once, or waits for a person."
    )
    forward_days: int = Field(90, ge=1, description="Days after a date in which spend counts as forward value.")
    search_trials: int = Field(20, ge=1, description="Trials of the search for a model; the defaults come first.")
    search_timeout_s: float = Field(600, gt=0, description="After so many seconds the search begins no more trials.")
    training_rows: int = Field(200_000, ge=100, description="Rows that a model is fitted on at most.")
    monitoring_rows: int = Field(
        20_000, ge=100, description="Customers of a date that monitoring looks at; of more, a sample."
    )
    drift_false_alarms: float = Field(
        0.05, gt=0, lt=0.5, description="The chance that monitoring finds drift in a month in which nothing changed."
    )
    retrain_after_snapshots: int = Field(
        2, ge=1, description="In so many snapshots in a row a finding has to stand before it asks for a new model."
    )
    retrain_cooldown_days: int = Field(
        14, ge=1, description="How long after a training the sensor `degraded_model` asks for none, in days."
    )

    tracking_uri: str = Field(
        "",
        pattern=r"^(off|https?://\S+)?$",
        description="MLflow server that searches and fits are logged to; empty: `home/mlflow.db`; `off`: none.",
    )

    notify: SecretStr = Field(
        SecretStr(""),
        description="Where notifications go: Apprise URLs separated by spaces, or `file:///…` of an Apprise "
        "configuration; empty: nowhere.",
    )
    dagster_url: str = Field(
        "",
        pattern=r"^(https?://\S+)?$",
        description="Address of Dagster's UI, for the links in notifications; empty: no links.",
    )

    hysteresis_margin: float = Field(
        0.2,
        ge=0,
        lt=1,
        description="How far past the border, as a share of the way to the other segment's centre, a customer changes; "
        "0: at once.",
    )
    hysteresis_dwell_days: int = Field(
        59,
        ge=0,
        description="With a margin: a customer changes too if another segment stays nearest so long; 0: never.",
    )

    model_poll_s: float = Field(
        2.0, gt=0, description="How often the scorer looks for a new champion and for changed keys, in seconds."
    )
    auth: Literal["required", "off"] = Field(
        "required", description="Whether the scorer asks for a key or a token; `off` lets everybody do everything."
    )
    jwt_issuer: str = Field("", description="Issuer of the JSON Web Tokens that the scorer takes; empty: none.")
    jwt_audience: str = Field("", description="Audience that those tokens must name.")
    jwt_jwks_url: str = Field(
        "", pattern=r"^(https?://\S+)?$", description="Where the issuer publishes its keys (JWKS)."
    )
    max_body_bytes: int = Field(
        16 * 1024 * 1024, ge=1024, description="Largest JSON or MessagePack body of the scorer."
    )
    max_arrow_bytes: int = Field(256 * 1024 * 1024, ge=1024, description="Largest Arrow body of the scorer.")
    max_rows: int = Field(
        50_000, ge=1, description="Most customers or transactions in one JSON or MessagePack request."
    )
    max_arrow_rows: int = Field(2_000_000, ge=1, description="Most customers in one Arrow request.")
    request_timeout_s: float = Field(30, gt=0, description="How long the scorer works on one request, in seconds.")
    max_concurrent_requests: int = Field(
        256, ge=1, description="Requests that one scorer process has in work; more are told to come back."
    )
    max_body_bytes_in_flight: int = Field(
        512 * 1024 * 1024,
        ge=1024,
        description="Bytes of request bodies that one scorer process holds at a time; more are told to come back.",
    )
    max_connections: int = Field(
        4096,
        ge=16,
        description="Open connections of one scorer process; fewer where the system allows fewer descriptors. The "
        "longest of no use is closed for a new one.",
    )
    max_head_bytes: int = Field(
        32 * 1024, ge=1024, le=1024 * 1024, description="Largest head (first line and headers) of a request."
    )
    max_headers: int = Field(100, ge=10, description="Most headers of a request.")
    head_timeout_s: float = Field(
        10, gt=0, description="How long the head of a request may take to arrive, in seconds."
    )
    keep_alive_s: float = Field(
        5, gt=0, description="How long the scorer keeps a connection open without a request, in seconds."
    )
    cors_origins: str = Field(
        "", description="Origins whose pages may call the scorer, separated by commas; empty: none."
    )
    access_log_share: float = Field(
        0.01,
        ge=0,
        le=1,
        description="Share of answered requests that are logged; of failures of a kind, ten a minute are.",
    )

    @field_validator("data_path")
    @classmethod
    def _data_path_is_folder_or_bucket(cls, value: str) -> str:
        if "://" in value and not BUCKET.fullmatch(value):
            raise ValueError(
                f"it must be a folder, or a bucket that begins with {', '.join(f'{scheme}://' for scheme in CLOUDS)}, "
                "without a space and any of ? * [ ] # in it"
            )
        return value

    @field_validator("timezone")
    @classmethod
    def _timezone_is_known(cls, value: str) -> str:
        if value and not is_zone(value):
            raise ValueError("there is no such time zone; write its name as in Europe/Berlin, America/New_York or UTC")
        return value

    @model_validator(mode="after")
    def _segments_form_a_range(self) -> "Settings":
        if self.min_segments > self.max_segments:
            raise ValueError(f"min_segments ({self.min_segments}) exceeds max_segments ({self.max_segments})")
        return self

    @model_validator(mode="after")
    def _rates_lead_to_a_currency(self) -> "Settings":
        if self.exchange_rates is not None and not self.currency:
            raise ValueError("exchange_rates need currency, the reporting currency that they lead to")
        return self

    @model_validator(mode="after")
    def _readers_use_the_same_kind_of_catalog(self) -> "Settings":
        if self.read_catalog and not (
            self.catalog.startswith("postgres:") and self.read_catalog.startswith("postgres:")
        ):
            raise ValueError("read_catalog is for catalogues in PostgreSQL; it and catalog must begin with `postgres:`")
        return self

    @model_validator(mode="after")
    def _tokens_are_set_up_wholly(self) -> "Settings":
        given = [bool(self.jwt_issuer), bool(self.jwt_audience), bool(self.jwt_jwks_url)]
        if any(given) and not all(given):
            raise ValueError("jwt_issuer, jwt_audience and jwt_jwks_url must be set together")
        return self

    @model_validator(mode="after")
    def _keys_have_secrets(self) -> "Settings":
        for name, key, secret in (("s3", self.s3_key_id, self.s3_secret), ("gcs", self.gcs_key_id, self.gcs_secret)):
            if bool(key) != bool(secret.get_secret_value()):
                raise ValueError(f"{name}_key_id and {name}_secret must be set together")
        return self

    @property
    def catalog_uri(self) -> str:
        """The catalog as DuckLake names it, `sqlite:/abs/path` or `postgres:dsn`."""
        if not self.catalog:
            return f"sqlite:{(self.home / 'catalog.sqlite').absolute()}"
        kind, _, rest = self.catalog.partition(":")
        return f"sqlite:{Path(rest).absolute()}" if kind == "sqlite" else self.catalog

    @property
    def read_catalog_uri(self) -> str:
        """The catalog for those that only read it."""
        return self.read_catalog or self.catalog_uri

    @property
    def data_uri(self) -> str:
        """The lake's data folder or bucket prefix, ending in a slash."""
        path = self.data_path or str((self.home / "data").absolute())
        if "://" not in path:
            path = str(Path(path).absolute())
        return path.rstrip("/") + "/"

    @property
    def inbox_path(self) -> Path:
        """The folder that the `new_files` sensor watches."""
        return self.inbox or self.home / "inbox"


def as_environment(settings: Settings) -> dict[str, str]:
    """The variables with which another process of ours reads the same settings, secrets included.

    Settings that nobody has chosen are left out, so that they are not chosen there either.
    """
    values = {name: getattr(settings, name) for name in Settings.model_fields if name in settings.model_fields_set}
    return {
        f"{Settings.model_config['env_prefix']}{name.upper()}": _as_text(value)
        for name, value in values.items()
        if value is not None
    }


def _as_text(value: object) -> str:
    return value.get_secret_value() if isinstance(value, SecretStr) else str(value)


def load_settings(**overrides: Any) -> Settings:
    """Settings from the environment.

    Args:
        overrides: Settings by name that win over the environment.

    Raises:
        SegmentationError: A variable has a value that it can't have; the message names it.
    """
    try:
        return Settings(**overrides)
    except ValidationError as error:
        problems = "\n".join(
            f"  SEGMENTATION_{'_'.join(str(part) for part in e['loc']).upper() or '*'}: {e['msg']}"
            for e in error.errors()
        )
        raise SegmentationError(f"Bad settings (environment or .env):\n{problems}") from error
