"""What commands show of a run."""

import polars as pl
import pytest

from segmentation_assets.cli.console import show_profiles


def test_a_run_that_gave_nobody_a_segment_says_where_to_learn_why(capsys: pytest.CaptureFixture[str]) -> None:
    show_profiles(pl.DataFrame(schema={"as_of": pl.Date, "model_version": pl.Int32}))
    assert capsys.readouterr().out == (
        "Nobody has a segment yet; `segmentation` without a command says what comes next.\n"
    )
