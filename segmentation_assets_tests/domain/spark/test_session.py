import subprocess
import sys
from pathlib import Path

import pytest

from segmentation.errors import SegmentationError
from segmentation.settings import Settings
from segmentation.spark import session
from segmentation.spark.session import spark_session


def test_without_pyspark_the_command_that_installs_it_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(session, "find_spec", lambda name: None)
    with (
        pytest.raises(SegmentationError, match=r"pip install 'segmentation-platform\[spark\]'"),
        spark_session(Settings()),
    ):
        pass


def test_without_java_it_is_asked_for(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("JAVA_HOME", str(tmp_path))
    with pytest.raises(SegmentationError, match="needs Java 17"), spark_session(Settings()):
        pass


def test_what_the_user_configured_is_not_overridden(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "spark-defaults.conf").write_text("# mine\nspark.ui.enabled true\nspark.log.level=INFO\n\n")
    monkeypatch.setenv("SPARK_CONF_DIR", str(tmp_path))
    ours = {"spark.ui.enabled": "false", "spark.log.level": "ERROR", "spark.app.name": "segmentation"}
    assert session.not_configured(ours) == {"spark.app.name": "segmentation"}


def test_importing_the_engine_does_not_import_pyspark() -> None:
    modules = "segmentation.features.spark_engine, segmentation.segments.assignment, sys"
    code = f"import {modules}; print('pyspark' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
