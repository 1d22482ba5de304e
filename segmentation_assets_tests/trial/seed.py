"""A seed from beginning to end: its place is made, its actors play, everything is put right, and the end is judged."""

import mmap
import shutil
import time
import traceback
from contextlib import ExitStack
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from segmentation_assets_tests.testing.broker import running_broker
from segmentation_assets_tests.testing.object_store import ObjectStore
from segmentation_assets_tests.testing.ports import free_port
from segmentation_assets_tests.testing.postgres import running_postgres
from segmentation_assets_tests.trial import store_proxy
from segmentation_assets_tests.trial.actors import clients, operators, readers, sources
from segmentation_assets_tests.trial.clock import SharedClock
from segmentation_assets_tests.trial.environment import Environment, keep, mount_disk
from segmentation_assets_tests.trial.oracle import Oracle
from segmentation_assets_tests.trial.plan import Plan
from segmentation_assets_tests.trial.services import Service
from segmentation_assets_tests.trial.settling import judge_end, settle
from segmentation_assets_tests.trial.steps import Actor, TrialError
from segmentation_assets_tests.trial.template import declare_sources, open_lake, store_variables, variables_of
from segmentation_assets_tests.trial.trial import Trial
from segmentation_assets_tests.trial.zygote import command, fork

START_S = 60


@dataclass
class Verdict:
    """What came out of a seed.

    Attributes:
        seed: Which.
        injected: Kinds of the faults that came.
        acknowledged: Lines that the lake must hold, of those that were acknowledged.
        in_lake: Lines that it holds.
        answers: States of the lake and answers of the scorer that were judged.
        tracebacks: Steps that ended in one; not wrong, but no words for a user either.
        took_s: Seconds.
        problem: What is wrong; empty if nothing is.
        kept: Where all of it is, if something is wrong.
    """

    seed: int
    injected: list[str] = field(default_factory=list)
    acknowledged: int = 0
    in_lake: int = 0
    answers: int = 0
    tracebacks: list[str] = field(default_factory=list)
    took_s: float = 0.0
    problem: str = ""
    kept: str = ""


def try_seed(plan: Plan, base: Path, store: ObjectStore | None, kept: Path, keep_all: bool = False) -> Verdict:
    """Play a plan on a lake of its own.

    Args:
        plan: What is done, and what befalls it.
        base: Has the template; the trial's folder is made here.
        store: The object store, for plans that need one.
        kept: Where the folder goes if something is wrong.
        keep_all: Whether it does so anyway.
    """
    began, verdict = time.monotonic(), Verdict(plan.seed)
    folder = base / f"seed-{plan.seed}"
    folder.mkdir()
    with ExitStack() as stack:
        trial = None
        try:
            trial = _open(plan, base, folder, store, stack)
            stack.callback(trial.stop)
            _play(trial, plan, verdict)
        except Exception as error:  # whatever it is, it is this seed's verdict
            verdict.problem = str(error) if isinstance(error, TrialError) else traceback.format_exc()
        if trial is not None:
            trial.stop()
            verdict.injected, verdict.answers = trial.injected + trial.oracle.delivered_faults(), trial.answers
            verdict.tracebacks = sorted(_tracebacks(folder / "steps"))
            (folder / "log").write_text("\n".join(trial.log) + f"\n{verdict.problem}\n")
            (folder / "plan").write_text("\n".join(map(str, plan.faults)) + "\n")
        if verdict.problem or keep_all:
            verdict.kept = str(kept / folder.name)
            keep(folder, Path(verdict.kept))
    shutil.rmtree(folder, ignore_errors=True)
    verdict.took_s = time.monotonic() - began
    return verdict


def _open(plan: Plan, base: Path, folder: Path, store: ObjectStore | None, stack: ExitStack) -> Trial:
    """Make a plan's place: disk, catalogue, broker, object store, scorer and consumer."""
    disk = folder / "disk" if plan.store == "local" and mount_disk(folder / "disk", stack) else None
    home = (disk or folder) / "warehouse"
    broker = stack.enter_context(running_broker())
    environment = Environment(folder, variables_of(home), SharedClock(), broker.servers, disk=disk)
    environment.variables["SEGMENTATION_SOURCES"] = str(declare_sources(folder, broker))
    if plan.catalogue == "postgres":
        environment.postgres = stack.enter_context(running_postgres())
        database = environment.postgres.new_database()
        environment.variables["SEGMENTATION_CATALOG"] = f"postgres:{database}"
    if plan.store == "s3":
        assert store is not None
        port, environment.proxy_mode = free_port(), mmap.mmap(-1, 1)
        work = partial(store_proxy.serve, port, store.ports["s3"], environment.proxy_mode)
        proxy = fork(work, folder / "steps" / "proxy", environment.variables)
        stack.callback(proxy.kill)
        environment.variables |= store_variables(store, port, plan.seed)
    open_lake(base / "template", plan, environment.variables, folder, store if plan.store == "s3" else None)
    (folder / "inbox").mkdir()
    return Trial(environment, Oracle(plan), _services(environment, folder))


def _services(environment: Environment, folder: Path) -> dict[str, Service]:
    port = free_port()
    works = {
        "scorer": (command("serve", "--workers", "1", "--port", str(port)), port),
        "stream": (command("stream", "app", "--verbose"), 0),
    }
    return {
        name: Service(name, work, folder / "steps", environment.variables, port) for name, (work, port) in works.items()
    }


def _play(trial: Trial, plan: Plan, verdict: Verdict) -> None:
    oracle, folder = trial.oracle, trial.environment.folder
    key = (folder.parent / "template" / "key").read_text()
    scorer = trial.services["scorer"]
    for service in trial.services.values():
        service.start()
    deadline = time.monotonic() + START_S
    while not scorer.answers():
        if time.monotonic() > deadline:
            raise TrialError("the scorer did not start")
        time.sleep(0.05)
    address = f"http://127.0.0.1:{scorer.port}"
    actors: dict[str, Actor] = {
        "files": sources.files(oracle, folder / "inbox"),
        "pushes": sources.pushes(oracle, address, key),
        "messages": sources.messages(oracle, trial.environment.servers),
        "graph": operators.graph(oracle),
        "promotions": operators.promotions(oracle),
        "maintenance": operators.maintenance(oracle),
        "analysts": readers.analysts(oracle, trial.check),
        "clients": clients.clients(oracle, address, key, partial(_count, trial)),
    }
    if plan.store == "local":
        actors["backups"] = operators.backups(oracle, folder, trial.check)
    trial.play(actors, plan.faults)
    settle(trial)
    verdict.acknowledged, verdict.in_lake = judge_end(trial)


def _count(trial: Trial, answers: int) -> None:
    trial.answers += answers


def _tracebacks(steps: Path) -> set[str]:
    """The last lines of tracebacks that commands ended in; what the trial itself does beside them may have some."""
    found = set()
    for path in steps.glob("*/stderr"):
        text = path.read_text("utf-8", "replace")
        is_ours = "trial/lake_state.py" in text or "trial/actors/" in text
        if "Traceback (most recent call last)" in text and not is_ours:
            found.add(f"{path.parent.name}: {text.strip().splitlines()[-1][:160]}")
    return found
