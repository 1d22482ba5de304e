"""What a seed means: what each actor does, and which faults come when, in terms of the actors' steps."""

import gzip
import random
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Literal

from segmentation_assets_tests.trial.orders import FIRST_DAY, HISTORY_DAYS, Customers, Line, as_csv

Kind = Literal[
    "kill", "kill_scorer", "kill_stream", "catalogue_down", "store_failing", "store_slow", "disk_full", "clock_moved"
]
IN_DATA = ("duplicate_file", "duplicate_push", "duplicate_message", "corrupt_file")
"""Faults that come with what sources deliver."""

TRIAL_START = FIRST_DAY + timedelta(days=HISTORY_DAYS)
DATE = (TRIAL_START - timedelta(days=3)).date()
"""A snapshot beside the one that the template has; deliveries bring late lines of both."""

ACTORS = ("files", "pushes", "messages", "graph", "promotions", "maintenance", "backups", "analysts", "clients")


@dataclass(frozen=True)
class FileStep:
    """A file that is written and ingested.

    Attributes:
        name: Of the file.
        content: What is written.
        lines: What it says; of no meaning if it is corrupt.
        fault: What is wrong with it.
    """

    name: str
    content: bytes
    lines: tuple[Line, ...]
    fault: str = ""


@dataclass(frozen=True)
class Delivery:
    """A push or a handful of messages; `key` is the push's, and comes twice if it is sent again."""

    key: str
    lines: tuple[Line, ...]
    fault: str = ""


@dataclass(frozen=True)
class Fault:
    """A fault from outside.

    Attributes:
        kind: What happens.
        actor: At whose step. A kill hits that step's process; one that comes too late hits the actor's next step.
        step: Which of the actor's steps, tries counted.
        delay_s: How long after the step's beginning.
        duration_s: How long it lasts.
        amount: By how many hours the clock jumps, or how many bytes stay free on the disk.
    """

    kind: Kind
    actor: str
    step: int
    delay_s: float
    duration_s: float = 0.0
    amount: int = 0


@dataclass(frozen=True)
class Plan:
    """A seed's plan. The same seed and number of faults give the same plan."""

    seed: int
    catalogue: Literal["sqlite", "postgres"]
    store: Literal["local", "s3"]
    files: tuple[FileStep, ...]
    pushes: tuple[Delivery, ...]
    messages: tuple[Delivery, ...]
    graph: tuple[str, ...]
    promotions: tuple[str, ...]
    rounds: dict[str, int] = field(default_factory=dict)
    faults: tuple[Fault, ...] = ()

    @property
    def data_faults(self) -> list[str]:
        """The faults that come with deliveries."""
        delivered: list[FileStep | Delivery] = [*self.files, *self.pushes, *self.messages]
        return [each.fault for each in delivered if each.fault]


def make_plan(seed: int, fault_count: int) -> Plan:
    """The plan of a seed, with so many faults."""
    rng = random.Random(f"trial {seed}")
    catalogue: Literal["sqlite", "postgres"] = "postgres" if seed % 4 == 3 else "sqlite"
    store: Literal["local", "s3"] = "s3" if seed % 4 == 1 else "local"
    bases = Plan(
        seed,
        catalogue,
        store,
        _files(rng),
        tuple(_deliveries(rng, "push", 7)),
        tuple(_deliveries(rng, "message", 5)),
        tuple(rng.sample([f"materialize --as-of {DATE} --no-train", "refresh", "daemon", "train"], 2)),
        tuple(rng.choice(["1", "2", "rollback"]) for _ in range(4)),
        {"maintenance": 2, "backups": 2, "analysts": 5, "clients": 4},
    )
    count = max(fault_count - len(bases.data_faults), 1)
    faults = tuple(sorted((_fault(rng, bases) for _ in range(count)), key=lambda each: (each.actor, each.step)))
    return Plan(**{**bases.__dict__, "faults": faults})


def _files(rng: random.Random) -> tuple[FileStep, ...]:
    """New files, a correction, and a copy or a corrupt file; each of one or two days of its own."""
    made, steps = Customers(rng, "till"), list[FileStep]()
    for number in range(2):
        first = TRIAL_START + timedelta(days=2 * number)
        lines = tuple(made.orders(rng.randint(4, 12), first, 2, bad_share=0.1))
        steps.append(_file(f"till-{number}.csv", lines))
    is_copied = rng.random() < 0.5
    wrong = steps[1 if is_copied else rng.randrange(2)]  # a file and its copy stay the same
    changed = [made.corrected(line) if rng.random() < 0.3 and not line.reason else line for line in wrong.lines]
    steps.append(_file(wrong.name, tuple(changed[1:] if rng.random() < 0.5 else changed)))
    if is_copied:
        steps.insert(2, FileStep("copy.csv", steps[0].content, steps[0].lines, "duplicate_file"))
    else:
        steps[1:1] = _corrupt(rng, made)
    return tuple(steps)


def _file(name: str, lines: tuple[Line, ...]) -> FileStep:
    return FileStep(name, as_csv(lines), lines)


def _corrupt(rng: random.Random, made: Customers) -> list[FileStep]:
    """A compressed file that is cut off or has a wrong byte, and the same file as it should be."""
    lines = tuple(made.orders(8, TRIAL_START + timedelta(days=6), 1))
    whole = gzip.compress(as_csv(lines), mtime=0)
    cut = rng.randrange(20, len(whole) - 9)
    flipped = bytearray(whole)
    flipped[cut] ^= 1 << rng.randrange(8)
    broken = whole[:cut] if rng.random() < 0.5 else bytes(flipped)
    return [FileStep("till-z.csv.gz", broken, (), "corrupt_file"), FileStep("till-z.csv.gz", whole, lines)]


def _deliveries(rng: random.Random, name: str, count: int) -> list[Delivery]:
    """Deliveries of new and of corrected lines, some of which come again."""
    made, first, sent = Customers(rng, name), TRIAL_START - timedelta(days=14), list[Delivery]()
    for number in range(count):
        lines = made.orders(rng.randint(1, 4), first, 18, bad_share=0.06)
        good = [line for each in sent for line in each.lines if not line.reason]
        if good and rng.random() < 0.5:
            lines.append(made.corrected(rng.choice(good)))
        sent.append(Delivery(f"{name}-{number}", tuple(lines)))
        if rng.random() < 0.12:
            sent.append(_again(rng.choice(sent), name))
    return sent


def _again(delivery: Delivery, name: str) -> Delivery:
    return Delivery(delivery.key, delivery.lines, f"duplicate_{name}")


STEPS = {"files": 5, "pushes": 7, "messages": 5, "graph": 2, "promotions": 4, "maintenance": 2, "backups": 4}
"""Steps of each actor that faults can come at."""

LENGTH_S = {"files": 2.5, "graph": 6.0, "promotions": 0.5, "maintenance": 1.5, "backups": 0.7}
"""About how long a step takes when much else is going on."""


def _fault(rng: random.Random, plan: Plan) -> Fault:
    kinds: list[tuple[Kind, float]] = [
        ("kill", 6.0),
        ("kill_scorer", 1.0),
        ("kill_stream", 1.5),
        ("catalogue_down", 1.5),
        ("clock_moved", 1.0),
        ("disk_full", 0.0 if plan.store == "s3" else 1.0),
        ("store_failing", 1.0 if plan.store == "s3" else 0.0),
        ("store_slow", 1.0 if plan.store == "s3" else 0.0),
    ]
    kind = rng.choices([each for each, _ in kinds], [weight for _, weight in kinds])[0]
    actor = rng.choice(sorted(LENGTH_S) if kind == "kill" else sorted(STEPS))
    step, delay_s = rng.randrange(STEPS[actor]), rng.random() * LENGTH_S.get(actor, 0.5)
    if kind == "clock_moved":
        return Fault(kind, actor, step, delay_s, rng.uniform(1, 4), rng.choice([-72, -26, -2, 2, 26, 24 * 9, 24 * 40]))
    if kind == "disk_full":
        return Fault(kind, actor, step, delay_s, rng.uniform(0.5, 2.0), rng.choice([0, 4_096, 65_536, 300_000]))
    return Fault(kind, actor, step, delay_s, rng.uniform(0.3, 2.0))


def planned(seeds: Sequence[int], fault_count: int) -> list[Plan]:
    """The plans of seeds."""
    return [make_plan(seed, fault_count) for seed in seeds]
