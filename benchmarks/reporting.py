"""What all benchmarks share: the machine, the table, the targets and the JSON file."""

import json
import os
import platform
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from rich.console import Console
from rich.table import Table


@dataclass(frozen=True)
class Target:
    """Something that was promised.

    Attributes:
        name: What is measured.
        target: What it should be, in words.
        measured: What it is; None if this run did not measure it.
        met: Whether that is good enough; None if it was not measured.
    """

    name: str
    target: str
    measured: float | None
    met: bool | None


def at_most(name: str, limit: float, measured: float | None, unit: str = "×") -> Target:
    """A target that is met by a number up to `limit`."""
    return Target(name, f"≤ {limit:g} {unit}", measured, None if measured is None else measured <= limit)


def at_least(name: str, limit: float, measured: float | None, unit: str = "×") -> Target:
    """A target that is met by a number from `limit`."""
    return Target(name, f"≥ {limit:g} {unit}", measured, None if measured is None else measured >= limit)


def machine(packages: Sequence[str]) -> str:
    """Cores, memory, system and versions of the packages that matter."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    versions = [f"{name} {found}" for name in packages if (found := _version(name))]
    return (
        f"{os.cpu_count()} cores, {memory:.0f} GB, {platform.system()} {platform.machine()}, "
        f"Python {platform.python_version()}, {', '.join(versions)}"
    )


def print_targets(console: Console, targets: Sequence[Target]) -> None:
    """Print what was promised beside what was measured."""
    table = Table("target", "wanted", "measured", "met", title="Targets")
    for target in targets:
        measured = "not measured" if target.measured is None else f"{target.measured:.3g}"
        table.add_row(target.name, target.target, measured, {True: "yes", False: "no", None: ""}[target.met])
    console.print(table)


def report(
    described_machine: str, results: Sequence[Mapping[str, object]], targets: Sequence[Target]
) -> dict[str, object]:
    """What a benchmark found, as JSON has it: `{"machine", "results", "targets"}`."""
    return {"machine": described_machine, "results": list(results), "targets": [asdict(t) for t in targets]}


def write_json(
    path: Path, described_machine: str, results: Sequence[Mapping[str, object]], targets: Sequence[Target]
) -> None:
    """Write the report for programs that watch the figures."""
    path.write_text(json.dumps(report(described_machine, results, targets), indent=2) + "\n", "utf-8")


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None
