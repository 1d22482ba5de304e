"""The staged SQL as data: the scores, which compare all customers of a snapshot.

A stage is one `SELECT` in `sql/population/` that every engine runs, named after its file. It reads `measures`, what the
kernel made of all customers side by side, and every stage before it.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Literal, get_args

from segmentation.features.kernel.sources import kernel_version
from segmentation.metadata.features import Feature

Scope = Literal["population"]


@dataclass(frozen=True)
class Stage:
    """One named step.

    Attributes:
        name: The relation that it makes.
        sql: The `SELECT` that makes it.
    """

    name: str
    sql: str


@cache
def stages(scope: Scope) -> tuple[Stage, ...]:
    """The stages of a scope in the order in which they run."""
    folder = files("segmentation.features") / "sql" / scope
    paths = sorted((path for path in folder.iterdir() if path.name.endswith(".sql")), key=lambda path: path.name)
    return tuple(Stage(path.name[:-4].partition("_")[2], path.read_text("utf-8")) for path in paths)


def code_version(features: Sequence[Feature]) -> str:
    """Changes when the definition of these features may have: their catalogue rows, the kernel, or a stage."""
    steps = [stage for scope in get_args(Scope) for stage in stages(scope)]
    return hashlib.sha256(repr((tuple(features), steps, kernel_version())).encode()).hexdigest()[:12]
