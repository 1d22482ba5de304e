"""Notifications: a message, and the services that take it, whatever they are: Slack, Teams, e-mail, a webhook.

Apprise knows the services; an address of its kind is all that is needed to reach one. Addresses hold passwords and
tokens, so nothing here ever repeats one: a service is called by its place in the setting and its kind.
"""

import re
from dataclasses import dataclass, replace
from hashlib import sha256
from typing import TYPE_CHECKING, Literal

from segmentation.errors import SegmentationError
from segmentation.settings import Settings

if TYPE_CHECKING:
    from apprise import AppriseAsset, NotifyBase

Level = Literal["info", "success", "warning", "failure"]

BETWEEN = re.compile(r"\s+|,(?=[A-Za-z][A-Za-z0-9+.-]*://)")
"""What separates addresses; a comma may also be part of one."""

TIMEOUT_S = 10.0
MOST_SUMMARIES = 10
PART = re.compile(r"[^\s/:@,#]{4,}")
"""Of an address: each may be a secret."""


@dataclass(frozen=True)
class Message:
    """Something to tell.

    Attributes:
        level: How bad it is.
        title: The whole of it in a few words.
        text: The story, in Markdown that also reads well as it stands.
        topic: What messages have in common that are told together if they are many; empty: told on its own.
        summaries: With a topic, one line for each message that this one stands for; only the first ones.
        count: How many messages this one stands for.
    """

    level: Level
    title: str
    text: str
    topic: str = ""
    summaries: tuple[str, ...] = ()
    count: int = 1

    def merged(self, other: "Message") -> "Message":
        """Both as one: the topic, how often, and the first few."""
        count = self.count + other.count
        summaries = (*self.summaries, *other.summaries)[:MOST_SUMMARIES]
        lines = [f"- {summary}" for summary in summaries]
        if count > len(summaries):
            lines.append(f"- … and {count - len(summaries)} more")
        return replace(
            self, title=f"{self.topic}: {count} times", text="\n".join(lines), summaries=summaries, count=count
        )


class Service:
    """One address that takes messages.

    Attributes:
        name: What it is called where people read it.
        key: The same address has the same key; it doesn't give the address away.
    """

    def __init__(self, name: str, address: str, service: "NotifyBase", asset: "AppriseAsset") -> None:
        self.name = name
        self.key = sha256(address.encode()).hexdigest()[:12]
        self._secrets = {*_parts(address), *_parts(_address_of(service))}
        self._service = service
        self._asset = asset

    def send(self, message: Message) -> str | None:
        """Send a message; returns what went wrong, if anything did."""
        from apprise import Apprise, NotifyFormat

        result = Apprise(self._service, asset=self._asset).notify(
            title=message.title,
            body=message.text,
            notify_type=message.level,
            body_format=NotifyFormat.MARKDOWN,
            timeout=TIMEOUT_S,
        )
        if result:
            return None
        said = " ".join(entry.message for entry in result.logs()) or f"no answer within {TIMEOUT_S:.0f} seconds"
        for secret in sorted(self._secrets, key=len, reverse=True):
            said = said.replace(secret, "…")
        return f"{self.name}: {said}"


def open_services(settings: Settings) -> list[Service]:
    """The services that the settings name; none if there is no such setting.

    Raises:
        SegmentationError: An address isn't one that Apprise knows, or Apprise isn't installed.
    """
    addresses = _addresses(settings)
    if not addresses:
        return []
    try:
        from apprise import AppriseAsset
    except ModuleNotFoundError as error:
        raise SegmentationError(
            "SEGMENTATION_NOTIFY is set, but Apprise isn't installed: pip install 'segmentation-platform[dagster]'."
        ) from error
    asset = AppriseAsset(app_id="segmentation", app_desc="Customer segmentation", app_url="", secure_logging=True)
    return [
        service
        for number, address in enumerate(addresses, start=1)
        for service in (
            _of_file(number, address, asset) if address.startswith("file:") else [_of_address(number, address, asset)]
        )
    ]


def _addresses(settings: Settings) -> list[str]:
    parts = (part.strip(",") for part in BETWEEN.split(settings.notify.get_secret_value()))
    return [part for part in parts if part]


def _of_address(number: int, address: str, asset: "AppriseAsset") -> Service:
    from apprise import Apprise

    service = Apprise.instantiate(address, asset=asset)
    if service is None:
        raise SegmentationError(
            f"SEGMENTATION_NOTIFY: address {number}{_kind(address)} isn't one that Apprise knows, or it lacks a part. "
            "Apprise's wiki says how the address of each service is written."
        )
    return Service(f"address {number}{_kind(address)}", address, service, asset)


def _of_file(number: int, address: str, asset: "AppriseAsset") -> list[Service]:
    from apprise import AppriseConfig

    config = AppriseConfig(asset=asset)
    found = config.services() if config.add(address) else []
    if not found:
        raise SegmentationError(
            f"SEGMENTATION_NOTIFY: the Apprise configuration {address} can't be read, or names no service."
        )
    return [
        Service(f"address {number}.{position} ({service.service_name})", _address_of(service), service, asset)
        for position, service in enumerate(found, start=1)
    ]


def _kind(address: str) -> str:
    scheme, found, _ = address.partition("://")
    return f" ({scheme})" if found else ""


def _address_of(service: "NotifyBase") -> str:
    return str(service.url())  # type: ignore[no-untyped-call]


def _parts(address: str) -> list[str]:
    return PART.findall(address.partition("://")[2].partition("?")[0])
