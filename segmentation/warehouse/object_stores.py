"""Object stores: what DuckDB needs to read and write in them, and what their errors mean.

Nothing here knows the lake, so that sources use it as well. Keys come from the settings and are bound to statements,
never written into them: DuckDB quotes statements in its errors. Without a key the cloud's own chain is asked
(variables, profiles, the role of the machine), each time that what it gave expires.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from urllib.parse import urlsplit

import duckdb

from segmentation.errors import SegmentationError
from segmentation.failures import reason_of
from segmentation.settings import CLOUDS, Settings
from segmentation.warehouse.extensions import load_extension

EXTENSIONS = {"s3": ("httpfs", "aws"), "gcs": ("httpfs",), "azure": ("azure",)}
CHAIN = {"PROVIDER": "credential_chain"}

MEANINGS = (
    (
        ("error for HTTP", "Fail to get a new connection", "Could not resolve"),
        "the service can't be reached. Check SEGMENTATION_S3_ENDPOINT and SEGMENTATION_S3_USE_SSL, or the network",
    ),
    (
        ("HTTP 500", "HTTP 502", "HTTP 503", "HTTP 504", "SlowDown", "ServerBusy", "InternalError"),
        "the service fails, or has too much to do. Run it again later",
    ),
    (
        ("NoSuchBucket", "ContainerNotFound", "bucket does not exist", "container does not exist"),
        "there is no such bucket. Make it, or correct the address",
    ),
    (
        ("PermanentRedirect", "AuthorizationHeaderMalformed", "HTTP code 301", "HTTP 301"),
        "the bucket is in another region. Set SEGMENTATION_S3_REGION",
    ),
    (
        (
            "Forbidden",
            "Unauthorized",
            "HTTP 403",
            "HTTP 401",
            "AccessDenied",
            "Failed to get token",
            "AuthenticationFail",
        ),
        "access is refused. Check the key and what it may do (SEGMENTATION_S3_KEY_ID and SEGMENTATION_S3_SECRET, "
        "SEGMENTATION_GCS_KEY_ID and SEGMENTATION_GCS_SECRET, SEGMENTATION_AZURE_CONNECTION_STRING, or the credentials "
        "of this machine)",
    ),
)
"""By what DuckDB's message holds, what that means and what to do; the first that fits counts."""


@dataclass(frozen=True)
class _Secret:
    """One secret of DuckDB.

    Attributes:
        name: Its name; a secret of the same name is replaced.
        cloud: Its type.
        options: Its parameters.
    """

    name: str
    cloud: str
    options: Mapping[str, str | bool]


def is_object_store(location: str) -> bool:
    """Whether an address is one of a bucket, and not a folder or a web page."""
    return cloud_of(location) is not None


def cloud_of(location: str) -> str | None:
    """The cloud of an address as DuckDB's secrets name it; None for everything else."""
    scheme, separator, _ = location.partition("://")
    return CLOUDS.get(scheme) if separator else None


def extensions_of(location: str) -> tuple[str, ...]:
    """DuckDB's extensions that an address needs."""
    cloud = cloud_of(location)
    return EXTENSIONS[cloud] if cloud else ()


def create_secrets(con: duckdb.DuckDBPyConnection, settings: Settings, *locations: str) -> None:
    """Let a connection, and all that share its DuckDB, read and write in object stores.

    A secret is made for every cloud that has a key in the settings or that a location is in. Secrets live in memory,
    and DuckDB shows them to no query.

    Args:
        con: The connection.
        settings: With the keys.
        locations: Addresses that will be read or written; other ones than those of buckets need nothing.

    Raises:
        SegmentationError: An extension is missing, or a location can't be opened with these settings.
    """
    for secret in _secrets(settings, locations):
        options = "".join(f", {name} ${name.lower()}" for name in secret.options)
        statement = f"CREATE OR REPLACE TEMPORARY SECRET {secret.name} (TYPE {secret.cloud}{options})"
        try:
            for extension in EXTENSIONS[secret.cloud]:
                load_extension(con, extension)
            con.execute(statement, {name.lower(): value for name, value in secret.options.items()})
        except duckdb.Error as error:
            reason = reason_of(error)
            raise SegmentationError(f"DuckDB can't be given access to {secret.cloud} storage: {reason}") from error


def s3_service(settings: Settings) -> dict[str, str | bool]:
    """Where S3 is, in the words of DuckDB's secrets; without keys."""
    scheme, _, host = settings.s3_endpoint.rstrip("/").rpartition("://")
    style = settings.s3_url_style
    options: dict[str, str | bool] = {"URL_STYLE": style if style != "auto" else "path" if host else "vhost"}
    if host:
        options["ENDPOINT"] = host
    if settings.s3_use_ssl is not None or scheme:
        options["USE_SSL"] = scheme == "https" if settings.s3_use_ssl is None else settings.s3_use_ssl
    if settings.s3_region:
        options["REGION"] = settings.s3_region
    return options


def meaning_of(error: duckdb.Error | str) -> str | None:
    """What an error of DuckDB says about an object store and what to do; None if it is about something else."""
    text = str(error)
    return next((meaning for signs, meaning in MEANINGS if any(sign in text for sign in signs)), None)


def _secrets(settings: Settings, locations: tuple[str, ...]) -> Iterator[_Secret]:
    clouds = {cloud_of(location) for location in locations}
    if settings.s3_key_id or "s3" in clouds:
        yield _Secret("segmentation_s3", "s3", {**s3_service(settings), **_s3_key(settings)})
    if settings.gcs_key_id:
        keys = {"KEY_ID": settings.gcs_key_id, "SECRET": settings.gcs_secret.get_secret_value()}
        yield _Secret("segmentation_gcs", "gcs", keys)
    elif "gcs" in clouds:  # no chain leads to HMAC keys; public buckets need none
        yield _Secret("segmentation_gcs", "gcs", {})
    connection_string = settings.azure_connection_string.get_secret_value()
    if connection_string:
        yield _Secret("segmentation_azure", "azure", {"CONNECTION_STRING": connection_string})
    else:
        hosts = sorted({_azure_host(location) for location in locations if cloud_of(location) == "azure"})
        for number, host in enumerate(hosts):
            yield _Secret(f"segmentation_azure_{number}", "azure", _azure_chain(host))


def _s3_key(settings: Settings) -> dict[str, str | bool]:
    if settings.s3_key_id:
        return {"KEY_ID": settings.s3_key_id, "SECRET": settings.s3_secret.get_secret_value()}
    # Not validated: without credentials anywhere, public buckets can still be read.
    return {**CHAIN, "VALIDATION": "none", "REFRESH": "auto"}


def _azure_host(location: str) -> tuple[str, str]:
    parts = urlsplit(location)
    if "." not in parts.netloc or "@" in parts.netloc:  # DuckDB would break down for want of the account's name
        raise SegmentationError(
            f"{location!r} doesn't say which storage account it is in. Set SEGMENTATION_AZURE_CONNECTION_STRING, or "
            "name it in the address: `az://ACCOUNT.blob.core.windows.net/CONTAINER/…` or "
            "`abfss://ACCOUNT.dfs.core.windows.net/CONTAINER/…`."
        )
    return parts.scheme, parts.netloc


def _azure_chain(host: tuple[str, str]) -> dict[str, str | bool]:
    scheme, name = host
    return {**CHAIN, "ACCOUNT_NAME": name.partition(".")[0], "SCOPE": f"{scheme}://{name}/"}
