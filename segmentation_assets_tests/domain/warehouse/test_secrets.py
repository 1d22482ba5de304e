"""What DuckDB is given access with, and that no query, message or dump shows it."""

from typing import Any

import duckdb
import pytest

from segmentation.errors import SegmentationError
from segmentation.settings import Settings, as_environment, load_settings
from segmentation.warehouse import Lake
from segmentation.warehouse.object_stores import create_secrets, is_object_store, meaning_of

AZURE = "DefaultEndpointsProtocol=https;AccountName=shop;AccountKey=dG9wLXNlY3JldA==;EndpointSuffix=core.windows.net"
KEYS: dict[str, Any] = {
    "s3_key_id": "key",
    "s3_secret": "it's top-secret",
    "gcs_key_id": "gcs-key",
    "gcs_secret": "gcs-top-secret",
    "azure_connection_string": AZURE,
}
SECRETS = ("top-secret", "AccountKey", "dG9wLXNlY3JldA")


def _made(*locations: str, **values: Any) -> dict[str, dict[str, str]]:
    """The parameters of each secret, by its name."""
    with duckdb.connect() as con:
        create_secrets(con, Settings(**values), *locations)
        rows = con.execute("SELECT name, secret_string FROM duckdb_secrets()").fetchall()
    return {name: dict(part.split("=", 1) for part in text.split(";") if "=" in part) for name, text in rows}


def test_a_folder_needs_no_secret() -> None:
    assert _made("/data/", "https://example.org/a.csv") == {}


def test_a_key_is_made_known_whatever_is_read() -> None:
    assert set(_made(**KEYS)) == {"segmentation_s3", "segmentation_gcs", "segmentation_azure"}


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ({}, {"url_style": "vhost"}),
        ({"s3_endpoint": "http://minio:9000/"}, {"endpoint": "minio:9000", "use_ssl": "false", "url_style": "path"}),
        ({"s3_endpoint": "https://s3.example.org"}, {"endpoint": "s3.example.org", "use_ssl": "true"}),
        ({"s3_endpoint": "minio:9000", "s3_use_ssl": False}, {"endpoint": "minio:9000", "use_ssl": "false"}),
        ({"s3_endpoint": "https://s3.example.org", "s3_url_style": "vhost"}, {"url_style": "vhost"}),
        ({"s3_region": "eu-west-1"}, {"region": "eu-west-1"}),
    ],
)
def test_s3_is_asked_as_the_settings_say(values: dict[str, Any], expected: dict[str, str]) -> None:
    made = _made("s3://bucket/", **KEYS, **values)["segmentation_s3"]
    assert made.items() >= {**expected, "provider": "config", "key_id": "key", "secret": "redacted"}.items()


def test_without_a_key_s3_asks_the_credentials_of_the_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "key-of-the-machine")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret-of-the-machine")
    made = _made("s3://bucket/")["segmentation_s3"]
    assert (made["provider"], made["key_id"], made["secret"]) == ("credential_chain", "key-of-the-machine", "redacted")


def test_google_without_a_key_is_asked_anonymously() -> None:
    assert "key_id" not in _made("gs://bucket/")["segmentation_gcs"]


def test_azure_accounts_are_known_by_their_addresses() -> None:
    made = _made("az://one.blob.core.windows.net/box/", "abfss://two.dfs.core.windows.net/box/")
    assert {secret["account_name"] for secret in made.values()} == {"one", "two"}


def test_an_azure_address_without_an_account_is_refused() -> None:
    with pytest.raises(SegmentationError, match="which storage account"):
        _made("az://box/lake")


def test_no_query_shows_a_secret(settings: Settings) -> None:
    with Lake(settings.model_copy(update=_typed(KEYS)), create=True) as lake, lake.cursor() as con:
        shown = f"{con.execute('FROM duckdb_secrets()').fetchall()}{con.execute('FROM duckdb_settings()').fetchall()}"
        assert not any(secret in shown for secret in SECRETS)
        for attempt in ("FROM duckdb_secrets(redact => false)", "SET GLOBAL allow_unredacted_secrets = true"):
            with pytest.raises(duckdb.Error, match="unredacted"):
                con.execute(attempt)


def test_settings_show_no_secret() -> None:
    settings = Settings(**KEYS)
    for text in (str(settings), repr(settings), settings.model_dump_json(), f"{settings.model_dump()}"):
        assert not any(secret in text for secret in SECRETS)


def test_settings_reach_another_process_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    settings = Settings(**KEYS, s3_use_ssl=False, threads=3)
    for name, value in as_environment(settings).items():
        monkeypatch.setenv(name, value)
    assert load_settings() == settings


@pytest.mark.parametrize(
    "bad",
    [
        {"s3_secret": "top-secret"},
        {"s3_key_id": "key"},
        {"gcs_secret": "top-secret"},
        {"s3_secret": ["top-secret"]},
        {"s3_endpoint": "http://key:top-secret@host"},
        {"data_path": "ftp://top-secret/"},
        {"data_path": "s3://bucket/a?s3_secret_access_key=top-secret"},
        {"data_path": "s3://"},
    ],
)
def test_bad_settings_are_refused_without_showing_them(bad: dict[str, Any]) -> None:
    with pytest.raises(SegmentationError, match="Bad settings") as refused:
        load_settings(**bad)
    assert not any(secret in f"{refused.value} {refused.value.__cause__}" for secret in SECRETS)


def test_only_buckets_are_object_stores() -> None:
    assert all(map(is_object_store, ("s3://b/", "gs://b/", "gcs://b/", "az://b/", "abfss://b/")))
    assert not any(map(is_object_store, ("/s3/", "s3", "https://s3.example.org/", "")))


def test_errors_of_other_things_have_no_meaning_here() -> None:
    assert meaning_of(duckdb.IOException("Unable to connect to Postgres: Connection refused")) is None


def _typed(values: dict[str, Any]) -> dict[str, Any]:
    made = Settings(**values)
    return {name: getattr(made, name) for name in values}
