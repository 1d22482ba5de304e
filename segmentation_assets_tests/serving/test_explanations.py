"""One truth about why: the command and the scorer explain a customer in the same words, from the same figures."""

import json
import shutil
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

import pytest
from litestar import Litestar
from litestar.testing import TestClient
from typer.testing import CliRunner

from segmentation.cli.app import app as commands
from segmentation.errors import SegmentationError
from segmentation.settings import Settings
from segmentation.warehouse import Lake
from segmentation_assets_tests.testing import shop
from segmentation_assets_tests.testing.lines import Line, insert_lines
from segmentation_assets_tests.testing.shop import LAPSED, ScoredCustomer, customer_path, problem
from segmentation_assets_tests.testing.waiting import eventually
from serving.app import create_app

Client = TestClient[Litestar]

BUYERS = range(20, 60)
FIRST_ORDER = datetime(2023, 9, 4, 11)

pytestmark = pytest.mark.takes(50)


@pytest.fixture(scope="module")
def settings(shop_settings: Settings, tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """The shop, with order lines of some of its customers."""
    home = tmp_path_factory.mktemp("explained") / "warehouse"
    shutil.copytree(shop_settings.home, home)
    settings = shop_settings.model_copy(update={"home": home})
    with Lake(settings) as lake:
        insert_lines(lake, [line for number in BUYERS for line in _orders(number)])
    return settings


@pytest.fixture(scope="module")
def client(settings: Settings) -> Iterator[Client]:
    """The scorer on it."""
    with TestClient(create_app(settings)) as opened:
        opened.headers.update(shop.CREDENTIALS)
        eventually(lambda: opened.get("/health/ready").status_code == 200)
        yield opened


@pytest.fixture(autouse=True)
def environment(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    """What tells the command where the lake is."""
    monkeypatch.setenv("SEGMENTATION_HOME", str(settings.home))
    monkeypatch.setenv("SEGMENTATION_CUSTOMER_BUCKETS", str(settings.customer_buckets))
    monkeypatch.setenv("SEGMENTATION_THREADS", "1")


def test_command_and_scorer_explain_every_customer_alike(client: Client, customers: list[ScoredCustomer]) -> None:
    sample = [*(customer.customer_id for customer in customers[::11]), *(f"C-{number}" for number in BUYERS), LAPSED]
    moved = 0
    for customer_id in dict.fromkeys(sample):
        said = json.loads(_explain(customer_id, "--json"))
        asked = {"include": ["why", "moves"]}
        answer = client.get(customer_path(customer_id), params=asked).raise_for_status().json()
        assert answer["why"] == said["contributions"] != []
        assert answer["moves"] == said["changes"]
        assert answer["reach"] == said["reach"]
        assert answer.get("held") == said["held"]
        for shared in ("customer_id", "as_of", "model_version", "segment_id", "segment_name", "confidence"):
            assert answer[shared] == said[shared]
        moved += bool(said["changes"])
    assert moved > len(BUYERS) / 2  # or the sample says nothing about changes


@pytest.mark.parametrize(
    ("customer_id", "as_of"), [("nobody", None), ("C-20", "2024-05-01"), ("C-20", "2024-06-01"), ("x" * 500, None)]
)
def test_command_and_scorer_say_alike_why_there_is_nothing_to_explain(
    client: Client, customer_id: str, as_of: str | None
) -> None:
    said = _refusal(customer_id, *(("--as-of", as_of) if as_of else ()))
    refused = client.get(customer_path(customer_id), params={"as_of": as_of} if as_of else {})
    assert problem(refused)["detail"] == said
    assert len(said) < 400


def test_who_has_no_lines_any_more_is_explained_without_changes(client: Client) -> None:
    shown = _explain("C-100")
    assert "The lake has no purchase of theirs any more" in shown
    answer = client.get(customer_path("C-100")).json()
    assert (answer["moves"], answer["reach"]["kind"]) == ([], "unknown")


def _orders(number: int) -> Iterator[Line]:
    """A customer's orders, of other size and frequency for each."""
    for order in range(1 + number % 7):
        at = FIRST_ORDER + timedelta(days=order * (12 + number % 5 * 9))
        amount = 8.0 + 3.5 * (number % 11)
        yield Line(f"C-{number}", f"{number}-{order}", f"p{order % 3}", at, 1.0 + order % 2, amount, category="Toys")


def _explain(*arguments: str) -> str:
    done = CliRunner().invoke(commands, ["explain", *arguments])
    assert done.exit_code == 0, done.output
    return done.stdout


def _refusal(*arguments: str) -> str:
    done: Any = CliRunner().invoke(commands, ["explain", *arguments])
    assert isinstance(done.exception, SegmentationError)
    return str(done.exception)
