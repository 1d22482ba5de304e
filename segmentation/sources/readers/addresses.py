"""Which hosts a declared source would be asked at, and whether it may be.

`sources.yaml` can be written by other people than those who run the platform, who then could have it look at what
listens on its own machine only, or ask the cloud for the machine's credentials (169.254.169.254). Settings are trusted:
they name the lake's own database and object stores.
"""

import re
import socket
from collections.abc import Iterator
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from urllib.parse import parse_qsl, unquote

from segmentation.errors import SourceError
from segmentation.settings import Settings
from segmentation.sources.config import DatabaseSource, KafkaSource, SourceConfig

PAIR = re.compile(r"""([A-Za-z_]+)\s*=\s*('(?:[^'\\]|\\.)*'|"[^"]*"|[^\s'"]*)""")
HOST_KEYS = ("host", "hostaddr", "hostname", "server", "socket", "unix_socket")
KAFKA_KEYS = ("bootstrap.servers", "metadata.broker.list")
PLACE_END = re.compile(r"[/?#]")
PORT = re.compile(r":[0-9]*$")

METADATA_SERVICES = tuple(
    map(ip_network, ("100.100.100.200/32", "192.0.0.192/32", "168.63.129.16/32", "fd00:ec2::254/128"))
)
"""Where clouds tell machines their secrets, beside the link-local addresses."""

NAT64 = ip_network("64:ff9b::/96")


def require_allowed(settings: Settings, source: SourceConfig) -> None:
    """Refuse a source on this machine or its link, unless `SEGMENTATION_ALLOW_LOCAL_SOURCES` allows it.

    Names are looked up, so a name for such an address is refused, too. One that can't be looked up is left to whoever
    connects.

    Raises:
        SourceError: It is there; the message names the host and the setting.
    """
    if settings.allow_local_sources:
        return
    for host in hosts_of(source):
        if is_local(host):
            raise SourceError(
                f"The source {source.name} is at {host or 'a local socket'}, on this machine or its own network link, "
                "where sources are not read. Name another host, or set SEGMENTATION_ALLOW_LOCAL_SOURCES=true if "
                "nobody else writes sources.yaml."
            )


def hosts_of(source: SourceConfig) -> list[str]:
    """The hosts that a source names; an empty one stands for a local socket."""
    if isinstance(source, DatabaseSource):
        return list(_of_connection(source.connection))
    if isinstance(source, KafkaSource):
        servers = [source.servers, *(str(source.options[key]) for key in KAFKA_KEYS if key in source.options)]
        hosts = [_without_port(each.rpartition("://")[2]) for given in servers for each in given.split(",")]
        return [*hosts, *(_hosts_in(source.schema_registry) or [""] if source.schema_registry else [])]
    return []


def is_local(host: str) -> bool:
    """Whether a host is this machine, or can only be reached on its own link, by any of its addresses."""
    name = host.strip("[]").rstrip(".").lower()
    if not name or name.startswith(("/", "@")) or name.rpartition(".")[2] == "localhost":
        return True
    return any(_is_local(address) for address in _addresses(name))


def _of_connection(connection: str) -> Iterator[str]:
    text = connection.strip()
    if "://" in text:
        named = _hosts_in(text)
        query = text.partition("#")[0].partition("?")[2]
        more = [value for key, value in parse_qsl(query) if key.lower() in HOST_KEYS]
    else:
        named = []
        more = [value.strip("'\"") for key, value in PAIR.findall(text) if key.lower() in HOST_KEYS]
    found = [*named, *(host.strip() for each in more for host in each.split(","))]
    yield from found or [""]


def _hosts_in(url: str) -> list[str]:
    """The hosts between scheme and path; libpq takes several, which Python's own `urlsplit` may refuse."""
    place = PLACE_END.split(url.partition("://")[2], maxsplit=1)[0]
    return [_without_port(unquote(each)) for each in place.rpartition("@")[2].split(",") if each]


def _without_port(place: str) -> str:
    place = place.strip()
    bracketed = re.match(r"\[([^\]]*)\]", place)
    if bracketed:
        return bracketed[1]
    return place if place.count(":") > 1 else PORT.sub("", place)


def _addresses(host: str) -> Iterator[IPv4Address | IPv6Address]:
    try:
        found = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError):
        return
    for *_, place in found:
        yield ip_address(str(place[0]).partition("%")[0])


def _is_local(address: IPv4Address | IPv6Address) -> bool:
    if isinstance(address, IPv6Address):
        inner = address.ipv4_mapped or address.sixtofour
        if address in NAT64 or int(address) >> 32 == 0:
            inner = IPv4Address(int(address) & 0xFFFFFFFF)
        if inner is not None and _is_local(inner):
            return True
    return (
        address.is_loopback
        or address.is_link_local
        or address.is_unspecified
        or address.is_multicast
        or (isinstance(address, IPv4Address) and address in ip_network("0.0.0.0/8"))
        or any(address in network for network in METADATA_SERVICES)
    )
