"""The staged SQL as data: which stages there are, in which order, and on which scope they run.

A stage is one portable `SELECT` in `sql/`, named after its file (`10_orders.sql` makes the relation `orders`). It may
read every stage before it, and
- in `history/`: `lines`, the lines of some customers in one or several windows;
- in `customer/`: `snapshot`, one row with `as_of`, `window_start` and `home_market`; the first stages keep to it, and
  ask `shop_time` what the shop's clocks showed;
- in `population/`: `measures`, what the customer stages made of all customers of the snapshot, side by side.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Literal, get_args

from segmentation.features.kernel.sources import kernel_version
from segmentation.metadata.features import Feature

Scope = Literal["history", "customer", "population"]


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
    """The stages of a scope in the order in which they run.

    Args:
        scope: `history` for what does not depend on a date, so that several snapshots share it; `customer` for what
            needs only the customers at hand, so that it can run bucket by bucket or on one customer; `population` for
            what compares all customers of a snapshot.
    """
    folder = files("segmentation.features") / "sql" / scope
    paths = sorted((path for path in folder.iterdir() if path.name.endswith(".sql")), key=lambda path: path.name)
    return tuple(Stage(path.name[:-4].partition("_")[2], path.read_text("utf-8")) for path in paths)


def code_version(features: Sequence[Feature]) -> str:
    """Changes when the definition of these features may have: their catalogue rows, the kernel, or a stage."""
    steps = [stage for scope in get_args(Scope) for stage in stages(scope)]
    return hashlib.sha256(repr((tuple(features), steps, kernel_version())).encode()).hexdigest()[:12]
