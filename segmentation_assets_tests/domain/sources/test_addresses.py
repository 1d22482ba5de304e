"""Sources on this machine or its link are refused, in whatever way the address is written, unless that is allowed."""

import socket
from typing import Any

import pytest

from segmentation.errors import SourceError
from segmentation.settings import Settings
from segmentation.sources import reading
from segmentation.sources.config import DatabaseSource, KafkaSource
from segmentation.sources.dry_run import dry_run_source
from segmentation.sources.readers.addresses import hosts_of, require_allowed
from segmentation.warehouse import Lake
from segmentation_assets_tests.domain.sources.shop_files import NOW

STRICT = Settings(allow_local_sources=False)

LOCAL_HOSTS = [
    "localhost",
    "localhost.",
    "LOCALHOST",
    "db.localhost",
    "127.0.0.1",
    "127.1",
    "127.8.8.8",
    "2130706433",
    "0x7f000001",
    "017700000001",
    "0.0.0.0",  # noqa: S104 (nothing is bound)
    "0",
    "169.254.169.254",
    "2852039166",
    "169.254.0.7",
    "100.100.100.200",
    "168.63.129.16",
    "224.0.0.1",
    "[::1]",
    "[::]",
    "[::ffff:127.0.0.1]",
    "[::ffff:169.254.169.254]",
    "[::127.0.0.1]",
    "[64:ff9b::a9fe:a9fe]",
    "[2002:7f00:1::]",
    "[fe80::1]",
    "[fd00:ec2::254]",
]
"""Add one per way to write such an address."""

OTHER_HOSTS = ["10.0.0.7", "192.168.1.1", "172.17.0.2", "[2001:4860:4860::8888]", "8.8.8.8", "nowhere.invalid"]


def database(connection: str) -> DatabaseSource:
    return DatabaseSource(name="shop", type="postgres", connection=connection, table="t", cursor="id")


def topic(servers: str, **options: Any) -> KafkaSource:
    return KafkaSource(name="app", type="kafka", servers=servers, topic="t", **options)


def _ways(host: str) -> list[DatabaseSource | KafkaSource]:
    bare = host.strip("[]")
    return [
        database(f"postgresql://reader:p%40ss@{host}:5432/shop"),
        database(f"mysql://reader@{host}/shop"),
        database(f"host={bare} port=5432 dbname=shop"),
        database(f"dbname=shop HOST = '{bare}'"),
        database(f"postgresql://db.invalid/shop?host={bare}"),
        database(f"postgresql://db.invalid,{host}:5433/shop"),
        database(f"host=db.invalid hostaddr={bare}"),
        topic(f"broker.invalid:9092, {host}:9092"),
        topic(f"PLAINTEXT://{host}:9092"),
        topic("broker.invalid:9092", options={"metadata.broker.list": f"{host}:9092"}),
        topic("broker.invalid:9092", format="avro", schema_registry=f"http://{host}:8081"),
    ]


@pytest.mark.parametrize("host", LOCAL_HOSTS)
def test_a_local_host_is_refused_however_it_is_written(host: str) -> None:
    for source in _ways(host):
        with pytest.raises(SourceError, match="SEGMENTATION_ALLOW_LOCAL_SOURCES"):
            require_allowed(STRICT, source)
        require_allowed(Settings(allow_local_sources=True), source)


@pytest.mark.parametrize("host", OTHER_HOSTS)
def test_other_hosts_are_not_refused(host: str) -> None:
    for source in _ways(host):
        require_allowed(STRICT, source)


@pytest.mark.parametrize("connection", ["dbname=shop", "host=/var/run/postgresql", "postgresql:///shop", "service=x"])
def test_a_socket_of_this_machine_is_refused(connection: str) -> None:
    with pytest.raises(SourceError, match="not read"):
        require_allowed(STRICT, database(connection))


def test_a_name_for_a_local_address_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    answer = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, 0)) for address in ("93.184.216.34", "127.0.0.1")]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: answer)
    with pytest.raises(SourceError, match=r"db\.example"):
        require_allowed(STRICT, database("postgresql://db.example/shop"))


def test_every_way_to_a_source_asks_first(lake: Lake) -> None:
    strict = lake.settings.model_copy(update={"allow_local_sources": False})
    source = database("postgresql://reader@127.0.0.1:1/shop")
    for way in (
        lambda: reading.read(strict, source),
        lambda: reading.check(strict, source),
        lambda: dry_run_source(strict, source, now=NOW),
        lambda: reading.check(strict, topic("127.0.0.1:1")),
    ):
        with pytest.raises(SourceError, match="SEGMENTATION_ALLOW_LOCAL_SOURCES"):
            way()


@pytest.mark.parametrize("url", ["file:///etc/passwd", "ftp://x/", "gopher://x"])
def test_a_registry_is_asked_by_http_only(url: str) -> None:
    with pytest.raises(ValueError, match="schema_registry"):
        topic("broker.invalid:9092", format="avro", schema_registry=url)


def test_hosts_are_told_without_ports() -> None:
    assert hosts_of(database("postgresql://u:a@b@h1:1,h2/db")) == ["h1", "h2"]
    assert hosts_of(topic("a:1,b:2")) == ["a", "b"]
