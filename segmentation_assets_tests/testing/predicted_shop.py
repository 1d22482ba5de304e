"""A small shop with predictions as of two dates, made once; tests work on copies."""

import shutil
from datetime import date
from pathlib import Path

import pytest

from segmentation import synthetic
from segmentation.clock import utc_now
from segmentation.features.snapshots import write_snapshots
from segmentation.predictions.snapshot import write_predictions
from segmentation.settings import Settings
from segmentation.sources.batch.loading import load_days
from segmentation.sources.batch.registration import register
from segmentation.sources.profiles.profile import load_profile
from segmentation.warehouse import Commit, Lake
from segmentation_assets_tests.testing.made_once import made_once

THEN, NOW = date(2024, 3, 1), date(2024, 6, 1)


def predicted_shop(factory: pytest.TempPathFactory, empty_lake: Path) -> Path:
    """The folder of its lake, which has the buckets of `empty_lake`; only to be read or copied."""

    def fill(folder: Path) -> None:
        shutil.copytree(empty_lake, folder, dirs_exist_ok=True)
        files = folder / "files"
        synthetic.write(files, customers=300, start=date(2023, 6, 1), end=NOW, seed=5)
        with Lake(Settings(home=folder)) as lake:
            now = utc_now()
            found = register(lake, str(files / "transactions"), load_profile("canonical"), source=None, now=now)
            load_days(lake, found.load_start, found.load_end, Commit("load"), now=now)
            write_snapshots(lake, [THEN, NOW], lambda each: Commit(f"features {each}"), now=now)
            for as_of in (THEN, NOW):
                write_predictions(lake, as_of, Commit("predictions"))

    return made_once(factory, "predicted shop", fill)
