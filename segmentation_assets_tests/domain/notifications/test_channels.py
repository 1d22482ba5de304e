"""Messages by Apprise to a real webhook: what arrives, what is said if it doesn't, and nothing of the address."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from pydantic import SecretStr
from typer.testing import CliRunner

from segmentation.cli.app import app
from segmentation.clock import utc_now
from segmentation.diagnosis import diagnose
from segmentation.errors import SegmentationError
from segmentation.notifications.channels import Message, open_services
from segmentation.settings import Settings
from segmentation_assets_tests.testing.ports import free_port
from segmentation_assets_tests.testing.webhook import Webhook, listening

pytestmark = pytest.mark.filterwarnings("ignore:'imghdr' is deprecated:DeprecationWarning")  # Apprise still tries it

HELLO = Message("warning", "Hello", "**Well** then\n\n- one")
SECRETS = ("tokenA", "p4ssw0rd", "hook-of-ours")


@pytest.fixture
def webhook() -> Iterator[Webhook]:
    with listening() as hook:
        yield hook


def _told_to(addresses: str) -> Settings:
    return Settings(notify=SecretStr(addresses))


def test_a_message_arrives_as_it_is(webhook: Webhook) -> None:
    (service,) = open_services(_told_to(f"json://{webhook.host}/hook"))
    assert service.send(HELLO) is None
    told = json.loads(webhook.bodies[0])
    assert (told["title"], told["message"], told["type"]) == (HELLO.title, HELLO.text, HELLO.level)


@pytest.mark.parametrize("between", [" ", ",", ", ", "\n", " ,\n "])
def test_addresses_are_told_apart_and_keep_their_commas(between: str) -> None:
    first, second = "mailtos://u:p@example.com?to=a@example.com,b@example.com", "json://host/path"
    names = [service.name for service in open_services(_told_to(f" {first}{between}{second} "))]
    assert names == ["address 1 (mailtos)", "address 2 (json)"]


def test_addresses_may_stand_in_a_file(webhook: Webhook, tmp_path: Path) -> None:
    file = tmp_path / "apprise.cfg"
    file.write_text(f"json://{webhook.host}/one\njson://{webhook.host}/two\n")
    for service in open_services(_told_to(f"file://{file}")):
        assert service.send(HELLO) is None
    assert len(webhook.bodies) == 2


@pytest.mark.parametrize(
    "address",
    [
        "slac://tokenA/p4ssw0rd/hook-of-ours",
        "slack://tokenA",
        "tokenA p4ssw0rd",
        "file:///nowhere/apprise.cfg",
    ],
)
def test_an_address_that_is_none_is_named_but_not_shown(address: str) -> None:
    settings = _told_to(f"json://host/path {address}")
    with pytest.raises(SegmentationError, match="SEGMENTATION_NOTIFY: ") as caught:
        open_services(settings)
    found = {finding.subject: finding for finding in diagnose(settings, utc_now())}["notifications"]
    assert not found.is_ok
    assert not any(secret in f"{caught.value}{found.detail}{settings!r}" for secret in SECRETS)


def test_who_does_not_take_a_message_is_named_but_not_shown(webhook: Webhook) -> None:
    webhook.status = 500
    here, nowhere = webhook.host, f"127.0.0.1:{free_port()}"
    for host in (here, nowhere):
        (service,) = open_services(_told_to(f"json://tokenA:p4ssw0rd@{host}/hook-of-ours"))
        problem = service.send(HELLO)
        assert problem is not None
        assert problem.startswith("address 1 (json): ")
        assert not any(secret in problem for secret in SECRETS)


def test_the_command_says_who_took_the_message(webhook: Webhook) -> None:
    addresses = f"json://{webhook.host} json://127.0.0.1:{free_port()}"
    done = CliRunner().invoke(app, ["notify", "text", "--title", "T"], env={"SEGMENTATION_NOTIFY": addresses})
    assert done.stdout == "address 1 (json): sent\n"
    assert isinstance(done.exception, SegmentationError)
    assert "\naddress 2 (json): " in str(done.exception)
    assert json.loads(webhook.bodies[0])["title"] == "T"
    silent = CliRunner().invoke(app, ["notify", "text"], env={"SEGMENTATION_NOTIFY": ""})
    assert "SEGMENTATION_NOTIFY is empty" in str(silent.exception)
