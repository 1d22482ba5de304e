"""Spark sessions: where Spark runs is a setting, everything else is Spark's own configuration."""

import os
import shutil
import sys
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from importlib.resources import files
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from segmentation.errors import SegmentationError
from segmentation.settings import Settings

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

CONNECT = "sc://"
SQL_SETTINGS = {
    "spark.sql.session.timeZone": "UTC",
    "spark.sql.ansi.enabled": "true",  # an overflow is an error, as it is in DuckDB, and not a NULL
    "spark.sql.execution.arrow.useLargeVarTypes": "false",  # texts with offsets of 32 bits, as the kernel reads them
}
"""What results depend on, whatever the user's own configuration says."""
LOG_CONFIGURATION = Path(str(files("segmentation.spark") / "log4j2.properties"))
QUIET = {
    "spark.app.name": "segmentation",
    "spark.ui.enabled": "false",
    "spark.ui.showConsoleProgress": "false",
    "spark.log.level": "ERROR",
    "spark.driver.extraJavaOptions": f"-Dlog4j2.configurationFile={LOG_CONFIGURATION.as_uri()}",
}
ON_ONE_MACHINE = {
    "spark.driver.bindAddress": "127.0.0.1",
    "spark.driver.host": "127.0.0.1",
    "spark.driver.extraJavaOptions": f"{QUIET['spark.driver.extraJavaOptions']} -XX:+UseSerialGC",
}
"""For masters inside this process: no other machine has to reach the driver. Its JVM does all the work, and takes less
memory than with the collector that Java prefers."""


@contextmanager
def spark_session(settings: Settings, options: Mapping[str, str] | None = None) -> Iterator["SparkSession"]:
    """A session with temporary views and functions of its own.

    Spark that runs in this process already (a notebook, a test) is used and left running; what is started here is
    stopped at the end.

    Args:
        settings: Of which `spark_master` says where Spark runs.
        options: Spark's options for a Spark that is started here.

    Raises:
        SegmentationError: PySpark or Java is missing, or Spark doesn't start.
    """
    with warnings.catch_warnings():
        # What uses pandas is not used here; PySpark warns about its version nevertheless.
        warnings.filterwarnings("ignore", "PySpark does not yet fully support pandas", FutureWarning)
        session, stop = _open(settings.spark_master, options or {})
        try:
            for name, value in SQL_SETTINGS.items():
                session.conf.set(name, value)
            yield session
        finally:
            stop()


def _open(master: str, options: Mapping[str, str]) -> tuple["SparkSession", Callable[[], None]]:
    if find_spec("pyspark") is None:
        raise SegmentationError(
            "The Spark engine needs PySpark: pip install 'segmentation-platform[spark]', "
            "or leave SEGMENTATION_FEATURE_ENGINE at `duckdb`."
        )
    from pyspark.errors import PySparkException
    from pyspark.sql import SparkSession

    try:
        if master.startswith(CONNECT):
            connected = SparkSession.builder.remote(master).create()
            return connected, connected.stop
        running = SparkSession.getActiveSession()
        parent = running or _start(SparkSession.builder, master, options)
    except PySparkException as error:
        raise SegmentationError(_no_start(master, error)) from error
    return parent.newSession(), (lambda: None) if running else parent.stop


def _start(builder: "SparkSession.Builder", master: str, options: Mapping[str, str]) -> "SparkSession":
    if not shutil.which("java", path=_java_path()):
        raise SegmentationError(
            "The Spark engine needs Java 17 or newer, and there is no `java` in JAVA_HOME or PATH: install a JRE "
            "(Debian: apt install openjdk-17-jre-headless), or give a Spark Connect URL in SEGMENTATION_SPARK_MASTER."
        )
    is_local = master.startswith("local")
    if "PYSPARK_GATEWAY_PORT" not in os.environ:  # else spark-submit has chosen the master
        builder = builder.master(master)
    defaults = not_configured({**QUIET, **ON_ONE_MACHINE} if is_local else QUIET)
    for name, value in {**defaults, **options}.items():
        builder = builder.config(name, value)
    spark = builder.getOrCreate()
    if is_local and "PYSPARK_PYTHON" not in os.environ:
        spark.sparkContext.pythonExec = sys.executable
    return spark


def _java_path() -> str:
    home = os.environ.get("JAVA_HOME")
    return str(Path(home) / "bin") if home else os.environ.get("PATH", "")


def not_configured(ours: Mapping[str, str]) -> dict[str, str]:
    """Without what the user's `spark-defaults.conf` says otherwise; a builder would override that file."""
    home = os.environ.get("SPARK_HOME")
    folder = os.environ.get("SPARK_CONF_DIR") or (f"{home}/conf" if home else None)
    path = Path(folder) / "spark-defaults.conf" if folder else None
    lines = path.read_text("utf-8").splitlines() if path and path.is_file() else []
    theirs = {line.replace("=", " ", 1).split()[0] for line in lines if line.strip()}
    return {name: value for name, value in ours.items() if name not in theirs}


def _no_start(master: str, error: Exception) -> str:
    reason = str(error).splitlines()[0].rstrip(".")
    return (
        f"Spark doesn't start on {master!r} (SEGMENTATION_SPARK_MASTER): {reason}. "
        "What it printed above tells more; docs/scale.md says what it needs."
    )
