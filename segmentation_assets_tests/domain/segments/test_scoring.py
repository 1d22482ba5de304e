"""A file of features scored by the command: as the artefact says, in every format, and refused with a reason."""

import shutil
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from typer.testing import CliRunner

from segmentation.cli.app import app
from segmentation.cli.score import READERS, WRITERS
from segmentation.errors import SegmentationError
from segmentation.modeling.artefact import Evaluator, Floats
from segmentation.modeling.registry import ModelVersion
from segmentation.segments.scoring import score_frame
from segmentation.settings import Settings
from segmentation_assets_tests.conftest import BUCKETS
from segmentation_assets_tests.testing import shop

COLUMNS = ["segment_id", "segment_name", "distance", "runner_up_id", "runner_up_name", "confidence"]


@pytest.fixture(scope="module")
def settings(empty_lake: Path, tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """A lake with a champion."""
    settings = Settings(home=tmp_path_factory.mktemp("scoring") / "warehouse", customer_buckets=BUCKETS, threads=1)
    shutil.copytree(empty_lake, settings.home)
    shop.open_shop(settings)
    return settings


@pytest.fixture(scope="module")
def model(settings: Settings) -> ModelVersion:
    """The champion."""
    return shop.load_models(settings)[1]


@pytest.fixture(scope="module")
def frame(settings: Settings) -> pl.DataFrame:
    """Everybody's features, with columns that no model uses."""
    customers = shop.scored_customers(settings, shop.JULY)
    return pl.DataFrame([{"customer_id": each.customer_id, **each.features} for each in customers])


@pytest.mark.parametrize("given", [".csv", ".parquet", ".jsonl", ".arrow", ".arrows"])
@pytest.mark.parametrize("wanted", [".csv", ".parquet", ".jsonl", ".arrow", ".arrows"])
def test_a_file_of_any_kind_becomes_one_of_any_kind(
    settings: Settings, model: ModelVersion, frame: pl.DataFrame, tmp_path: Path, given: str, wanted: str
) -> None:
    source, target = tmp_path / f"in{given}", tmp_path / f"out{wanted}"
    WRITERS[given](frame, source)
    done = CliRunner().invoke(
        app,
        ["score", str(source), "-o", str(target)],
        env={"SEGMENTATION_HOME": str(settings.home), "SEGMENTATION_CUSTOMER_BUCKETS": str(BUCKETS)},
    )
    assert done.exit_code == 0, done.exception
    scored = READERS[wanted](target)
    assert scored["customer_id"].to_list() == frame["customer_id"].to_list()
    found = Evaluator(model.artefact).assign(_matrix(frame, model))
    assert scored["distance"].to_list() == found.distance.tolist()
    assert scored["segment_id"].to_list() == [model.artefact.segments[index].id for index in found.segment]
    assert set(scored["model_version"]) == {1}
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted([source.name, target.name])


def test_rows_without_ids_and_no_rows_at_all_are_scored(model: ModelVersion, frame: pl.DataFrame) -> None:
    assert score_frame(frame.drop("customer_id"), model).columns[:6] == COLUMNS
    assert score_frame(frame.clear(), model).height == 0


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda f: f.rename({"recency_days": "recency_day"}), "recency_days (is it 'recency_day'?)"),
        (lambda f: f.with_columns(recency_days=pl.lit("a")), "recency_days holds String"),
        (lambda f: f.with_columns(pl.when(pl.arange(0, f.height) != 4).then("recency_days")), "Row 5 (customer"),
    ],
)
def test_a_frame_that_will_not_do_is_refused_with_its_place(
    model: ModelVersion, frame: pl.DataFrame, change: object, words: str
) -> None:
    with pytest.raises(SegmentationError) as refused:
        score_frame(change(frame), model)  # type: ignore[operator]
    assert words in str(refused.value)


@pytest.mark.parametrize("name", ["missing.csv", "in.xyz", "broken.parquet"])
def test_a_file_that_cannot_be_read_is_told_and_nothing_is_written(
    settings: Settings, tmp_path: Path, name: str
) -> None:
    (tmp_path / "broken.parquet").write_bytes(b"no parquet")
    done = CliRunner().invoke(
        app,
        ["score", str(tmp_path / name), "-o", str(tmp_path / "out.csv")],
        env={"SEGMENTATION_HOME": str(settings.home), "SEGMENTATION_CUSTOMER_BUCKETS": str(BUCKETS)},
    )
    assert isinstance(done.exception, SegmentationError)
    assert name in str(done.exception)
    assert not (tmp_path / "out.csv").exists()


def _matrix(frame: pl.DataFrame, model: ModelVersion) -> Floats:
    return np.array(frame.select(model.artefact.feature_names).rows(), dtype=np.float64)
