"""The `curl` examples of docs/scorer.md, run as they stand against the demo's scorer."""

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from segmentation_assets_tests.e2e.conftest import segmentation, server
from segmentation_assets_tests.test_docs import ROOT
from segmentation_assets_tests.testing.ports import free_port

pytestmark = pytest.mark.takes(20)

GUIDE = (ROOT / "docs" / "scorer.md").read_text(encoding="utf-8")
EXAMPLE = re.compile(r"^```sh\n(curl .*?)^```(?:\n\n```json\n(.*?)^```)?", re.MULTILINE | re.DOTALL)
EXAMPLES = EXAMPLE.findall(GUIDE)
"""Each with the answer that the guide shows right below it, or without any."""


@pytest.fixture(scope="module")
def variables(home: Path) -> Iterator[dict[str, str]]:
    """What the examples want: a scorer's address, and keys."""
    scopes = [word for scope in ("score", "read") for word in ("--scope", scope)]
    address = f"http://127.0.0.1:{(port := free_port())}"
    keys = {"KEY": _new_key(home, *scopes), "ADMIN_KEY": _new_key(home, "--scope", "admin")}
    keys["INGEST_KEY"] = _new_key(home, "--scope", "ingest")
    with server(home, "serve", "--port", str(port), "--workers", "1", ready=f"{address}/health/ready"):
        yield {**os.environ, "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}", "SCORER": address, **keys}


def test_there_is_an_example_for_every_kind_of_question() -> None:
    assert len(EXAMPLES) >= 8
    shown = " ".join(text for text, _ in EXAMPLES)
    for part in (
        "/v1/score",
        "/transactions",
        "/what-if",
        "/v1/segments/1/customers",
        "/v1/snapshots",
        "/promote",
        "/metrics",
        "arrow",
    ):
        assert part in shown


@pytest.mark.parametrize(("example", "answer"), EXAMPLES, ids=[text.split('"')[1] for text, _ in EXAMPLES])
def test_an_example_works_and_answers_what_the_guide_shows(
    variables: dict[str, str], tmp_path: Path, example: str, answer: str
) -> None:
    if "@customers.arrows" in example:
        [customer] = json.loads(_json_of(EXAMPLES[0][0]))["customers"]
        pl.DataFrame([customer["features"]] * 3).write_ipc_stream(tmp_path / "customers.arrows")
    for line in example.replace("\\\n", " ").strip().splitlines():
        failing = line.replace("curl -s ", "curl -sS --fail-with-body ")
        done = subprocess.run(
            ["bash", "-c", failing],
            env=variables,
            cwd=tmp_path,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        assert done.returncode == 0, f"{line}\n{done.stdout}\n{done.stderr}"
    if answer:
        _assert_has_the_shape(json.loads(done.stdout), json.loads(answer))
    if "scores.arrows" in example:
        assert pl.read_ipc_stream(tmp_path / "scores.arrows").height == 3


def _new_key(home: Path, *options: str) -> str:
    made = segmentation(home, "keys", "create", "docs", *options, "--json")
    return str(json.loads(made.stdout)["key"])


def _json_of(example: str) -> str:
    return example.partition("-d '")[2].rpartition("'")[0]


def _assert_has_the_shape(real: Any, shown: Any) -> None:
    """Whether the guide shows what there is: all of an object's fields, unless it says that there are more."""
    if isinstance(shown, dict):
        assert isinstance(real, dict)
        named = shown.keys() - {"…"}
        assert named <= real.keys()
        assert "…" in shown or named == real.keys()
        for name in named:
            _assert_has_the_shape(real[name], shown[name])
    elif isinstance(shown, list) and shown and real:
        assert isinstance(real, list)
        _assert_has_the_shape(real[0], shown[0])
