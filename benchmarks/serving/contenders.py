"""Who serves scores, how each is started, and what it understands."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.serving.shop import command
from benchmarks.serving.wire import ARROW, IGNORED, JSON, NOTHING, RECORDS, SPLIT_FRAME, STREAM, Wire

OURS, FLASK, EMPTY = "ours", "flask", "litestar-empty"
APPS = "benchmarks.serving.apps"
MODEL = ("joblib", "numpy", "pandas", "scikit-learn")
"""What every server needs to unpickle the pipeline; in the same releases as here."""


@dataclass(frozen=True)
class Place:
    """Where a server is started.

    Attributes:
        python: The interpreter that has its packages.
        port: Where it shall listen.
        folder: Its own, empty at first.
    """

    python: str
    port: int
    folder: Path


@dataclass(frozen=True)
class Contender:
    """One of those who take part.

    Attributes:
        name: What it is called.
        what: What it is, in words.
        serve: The command that serves.
        path: Where scores are asked for.
        wires: How customers get there and scores back, by media type.
        prepare: A command that is run before.
        requirements: Packages beside those of the model, pinned; none if it runs in the platform's own environment.
        batches: How many customers it is asked about at once; None for any number.
        method: Of its requests.
        has_key: Whether it wants the shop's key.
    """

    name: str
    what: str
    serve: Callable[[Place], list[str]]
    path: str
    wires: Mapping[str, Wire] = field(default_factory=lambda: {JSON: RECORDS})
    prepare: Callable[[Place], list[str]] | None = None
    requirements: tuple[str, ...] = ()
    batches: tuple[int, ...] | None = None
    method: str = "POST"
    has_key: bool = False


def _ours(place: Place) -> list[str]:
    return command("serve", "--workers", "1", "--port", str(place.port))


def _gunicorn(place: Place) -> list[str]:
    address = f"127.0.0.1:{place.port}"
    return [place.python, "-m", "gunicorn", "--workers", "1", "--bind", address, f"{APPS}.flask_app:app"]


def _uvicorn(app: str) -> Callable[[Place], list[str]]:
    options = ("--workers", "1", "--no-access-log", "--log-level", "warning")
    return lambda place: [place.python, "-m", "uvicorn", app, "--port", str(place.port), *options]


def _mlflow(place: Place) -> list[str]:
    where = ("--host", "127.0.0.1", "--port", str(place.port), "--env-manager", "local", "--workers", "1")
    return [place.python, "-m", "mlflow", "models", "serve", "--model-uri", str(place.folder / "model"), *where]


def _mlflow_model(place: Place) -> list[str]:
    return [place.python, "-m", f"{APPS}.mlflow_model", str(place.folder / "model")]


def _bentoml(place: Place) -> list[str]:
    where = ("--host", "127.0.0.1", "--port", str(place.port))
    return [place.python, "-m", "bentoml", "serve", f"{APPS}.bentoml_app:Segmenter", *where]


_empty = _uvicorn(f"{APPS}.litestar_app:app")

CONTENDERS = (
    Contender(
        OURS,
        "segmentation serve, one worker, with a key",
        _ours,
        "/v1/score",
        {JSON: RECORDS, ARROW: STREAM},
        has_key=True,
    ),
    Contender(
        EMPTY, "GET of a Litestar handler that does nothing", _empty, "/", {JSON: NOTHING}, batches=(1,), method="GET"
    ),
    Contender(
        f"{EMPTY}-post", "POST to one that ignores the customer it gets", _empty, "/", {JSON: IGNORED}, batches=(1,)
    ),
    Contender(
        FLASK,
        "Flask, gunicorn's one sync worker, scikit-learn, pandas",
        _gunicorn,
        "/score",
        requirements=("flask==3.1.3", "gunicorn==26.2.0"),
    ),
    Contender(
        "fastapi",
        "FastAPI, one uvicorn, pydantic, the same pipeline",
        _uvicorn(f"{APPS}.fastapi_app:app"),
        "/score",
        requirements=("fastapi==0.165.0", "uvicorn[standard]==0.54.0"),
    ),
    Contender(
        "mlflow",
        "mlflow models serve, the same pipeline's predict: no distances",
        _mlflow,
        "/invocations",
        {JSON: SPLIT_FRAME},
        prepare=_mlflow_model,
        requirements=("mlflow==3.17.2",),
    ),
    Contender(
        "bentoml",
        "bentoml serve, one worker, pydantic, the same pipeline",
        _bentoml,
        "/score",
        requirements=("bentoml==1.4.39",),
    ),
)
BY_NAME = {contender.name: contender for contender in CONTENDERS}
