"""Champions swapped and keys changed under load, in short: the benchmark does an hour's worth."""

from pathlib import Path

import pytest

from benchmarks.serving.swaps import run
from segmentation.settings import Settings

pytestmark = pytest.mark.takes(20)


def test_each_answer_is_a_champions_while_champions_and_keys_change(own_settings: Settings, tmp_path: Path) -> None:
    outcome = run(own_settings, tmp_path / "log", requests=500, swaps=8)
    assert outcome.wrong == []
    assert set(outcome.by_status) == {200}
    assert outcome.answers >= 500
    assert set(outcome.by_version) == {1, 2}
    warm, end = outcome.rss_mb
    assert end - warm < 40
    assert outcome.open_files[1] - outcome.open_files[0] < 20
