"""The lake that each trial begins with, made once: forty days of a shop, a snapshot, and two models to choose from."""

import json
import os
import shutil
from datetime import date
from pathlib import Path

import yaml

from segmentation_assets_tests.testing.broker import Broker
from segmentation_assets_tests.testing.object_store import BUCKET, KEY_ID, SECRET, ObjectStore
from segmentation_assets_tests.trial.actors.sources import PARTITIONS, TOPIC
from segmentation_assets_tests.trial.orders import as_csv, history
from segmentation_assets_tests.trial.plan import Plan
from segmentation_assets_tests.trial.zygote import command, fork

PATIENCE_S = 300
EARLIER = date(2025, 3, 25)
"""Before the newest monthly date of the history."""

SMALL = {
    "SEGMENTATION_CUSTOMER_BUCKETS": "2",
    "SEGMENTATION_THREADS": "1",
    "SEGMENTATION_MIN_SEGMENTS": "3",
    "SEGMENTATION_MAX_SEGMENTS": "4",
    "SEGMENTATION_SEARCH_TRIALS": "1",
    "SEGMENTATION_TRACKING_URI": "off",
    "SEGMENTATION_ALLOW_LOCAL_SOURCES": "true",
    "SEGMENTATION_KEEP_SNAPSHOT_DAYS": "1",
    "SEGMENTATION_THIN_SNAPSHOTS_AFTER_HOURS": "1",
    "SEGMENTATION_MODEL_POLL_S": "0.3",
    "SEGMENTATION_MAX_CUSTOMERS_MOVED": "1",
    "SEGMENTATION_MAX_REVENUE_MOVED": "1",
    "SEGMENTATION_MIN_STABILITY": "0",
    "SEGMENTATION_MIN_SEPARATION": "-1",
    "SEGMENTATION_MIN_FORWARD_VALUE": "0",
    "SEGMENTATION_MAX_FORWARD_LOSS": "1",
    "SEGMENTATION_MAX_VALIDITY_LOSS": "10",
    "SEGMENTATION_WRITE_TIMEOUT_S": "60",
    "DAGSTER_DISABLE_TELEMETRY": "1",
    "NO_COLOR": "1",
    "COLUMNS": "200",
    "OPENBLAS_NUM_THREADS": "1",
    "OMP_NUM_THREADS": "1",
    "POLARS_MAX_THREADS": "1",
}
KEPT = ("PATH", "PYTHONPATH", "HOME", "LANG", "OPENBLAS_CORETYPE")


def variables_of(home: Path) -> dict[str, str]:
    """A fresh shell's variables, with a small lake in `home`."""
    return {name: os.environ[name] for name in KEPT if name in os.environ} | SMALL | {"SEGMENTATION_HOME": str(home)}


def make_template(folder: Path) -> None:
    """Make the lake, a backup of it, and a key of its scorer, in a folder."""
    folder.mkdir()
    (folder / "history.csv").write_bytes(as_csv(history()))
    home = folder / "warehouse"
    run(folder, home, "ingest", str(folder / "history.csv"), "--source", "history")
    run(folder, home, "materialize", "--as-of", str(EARLIER))  # the rules of another date are another model
    run(folder, home, "materialize", "--train")
    run(folder, home, "models", "promote", "1", "--override", "--reason", "first")
    run(folder, home, "models", "promote", "2", "--override", "--reason", "second")
    scopes = [word for scope in ("score", "read", "ingest", "admin") for word in ("--scope", scope)]
    told = run(folder, home, "keys", "create", "trial", *scopes, "--json")
    (folder / "key").write_text(json.loads(told)["key"])
    run(folder, home, "backup", str(folder / "backup"))


def run(folder: Path, home: Path, *words: str, **variables: str) -> str:
    """Run a command to its good end; what it said."""
    steps = folder / "steps"
    number = len(list(steps.iterdir())) if steps.exists() else 0
    child = fork(command(*words), steps / f"{number}-{words[0]}", variables_of(home) | variables)
    if child.wait(PATIENCE_S) != 0:
        child.kill()
        raise RuntimeError(f"segmentation {' '.join(words)} ended with {child.code}:\n{child.said()}")
    return child.told()


def open_lake(template: Path, plan: Plan, variables: dict[str, str], folder: Path, store: ObjectStore | None) -> None:
    """Give a trial its copy of the template, where the plan and its variables say.

    Args:
        template: As `make_template` made it.
        plan: Of the trial.
        variables: Of its processes; where the files are in an object store, they gain its address.
        folder: Of the trial.
        store: The object store, if the plan needs one.
    """
    home = Path(variables["SEGMENTATION_HOME"])
    if plan.catalogue == "postgres":
        named = {name: variables[name] for name in ("SEGMENTATION_CATALOG",)}
        run(folder, home, "restore", str(template / "backup"), **named)
        return
    shutil.copytree(template / "warehouse", home, dirs_exist_ok=True)
    if store is not None:
        _upload(home / "data", store, f"trial-{plan.seed}-{os.getpid()}")
        shutil.rmtree(home / "data")


def store_variables(store: ObjectStore, port: int, seed: int) -> dict[str, str]:
    """How a trial's processes reach the object store: through a proxy at a port."""
    return {
        "SEGMENTATION_DATA_PATH": f"s3://{BUCKET}/trial-{seed}-{os.getpid()}",
        "SEGMENTATION_S3_ENDPOINT": f"http://127.0.0.1:{port}",
        "SEGMENTATION_S3_REGION": "us-east-1",
        "SEGMENTATION_S3_KEY_ID": KEY_ID,
        "SEGMENTATION_S3_SECRET": SECRET,
    }


def _upload(data: Path, store: ObjectStore, prefix: str) -> None:
    import obstore

    bucket = store.open_bucket()
    for path in data.rglob("*"):
        if path.is_file():
            obstore.put(bucket, f"{prefix}/{path.relative_to(data)}", path.read_bytes())


def declare_sources(folder: Path, broker: Broker) -> Path:
    """Make the topic, and the file that declares it and the pushes."""
    broker.create(TOPIC, PARTITIONS)
    stream = {
        "type": "kafka",
        "servers": broker.servers,
        "topic": TOPIC,
        "linger_s": 0.1,
        "flush_s": 3,
        "options": {"session.timeout.ms": 2000, "heartbeat.interval.ms": 500},
    }
    path = folder / "sources.yaml"
    path.write_text(yaml.safe_dump({"sources": {"web": {"type": "push"}, "app": stream}}))
    return path
