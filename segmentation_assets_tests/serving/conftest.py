"""The scorer on a real lake: one shared and left as it is, and copies for tests that change theirs."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from litestar import Litestar
from litestar.testing import TestClient

from segmentation.modeling.registry import ModelVersion
from segmentation.settings import Settings
from segmentation_assets_tests.conftest import BUCKETS
from segmentation_assets_tests.testing import shop
from segmentation_assets_tests.testing.made_once import made_once
from segmentation_assets_tests.testing.waiting import eventually
from serving.app import create_app


@pytest.fixture(scope="session")
def shop_settings(empty_lake: Path, tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """A lake with customers, models and segments, that nobody may change."""
    settings = Settings(home=tmp_path_factory.mktemp("shop") / "warehouse", customer_buckets=BUCKETS, threads=1)

    def fill(folder: Path) -> None:
        shutil.copytree(empty_lake, folder / "warehouse")
        shop.open_shop(settings.model_copy(update={"home": folder / "warehouse"}))

    shutil.copytree(made_once(tmp_path_factory, "scored shop", fill) / "warehouse", settings.home)
    return settings


@pytest.fixture(scope="session")
def client(shop_settings: Settings) -> Iterator[TestClient[Litestar]]:
    """The scorer on the shared lake."""
    with TestClient(create_app(shop_settings)) as opened:
        opened.headers.update(shop.CREDENTIALS)
        eventually(lambda: opened.get("/health/ready").status_code == 200)
        yield opened


@pytest.fixture(scope="session")
def models(shop_settings: Settings) -> dict[int, ModelVersion]:
    """The versions in the shared lake and its copies."""
    return shop.load_models(shop_settings)


@pytest.fixture(scope="session")
def customers(shop_settings: Settings) -> list[shop.ScoredCustomer]:
    """Every customer of the latest snapshot."""
    return shop.scored_customers(shop_settings, shop.JULY)


@pytest.fixture
def own_settings(shop_settings: Settings, tmp_path: Path) -> Settings:
    """A copy of the lake for one test, and a scorer that looks often."""
    home = tmp_path / "warehouse"
    shutil.copytree(shop_settings.home, home)
    return shop_settings.model_copy(update={"home": home, "model_poll_s": 0.05})


@pytest.fixture
def own_client(own_settings: Settings) -> Iterator[TestClient[Litestar]]:
    """The scorer on the copy."""
    with TestClient(create_app(own_settings)) as opened:
        opened.headers.update(shop.CREDENTIALS)
        eventually(lambda: opened.get("/health/ready").status_code == 200)
        yield opened
