"""One seed's trial: actors take turns in processes of their own, faults come as planned, and all is judged."""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from segmentation_assets_tests.trial.environment import Environment
from segmentation_assets_tests.trial.lake_state import LakeState
from segmentation_assets_tests.trial.oracle import Oracle
from segmentation_assets_tests.trial.plan import Fault
from segmentation_assets_tests.trial.services import Service
from segmentation_assets_tests.trial.steps import Actor, Outcome, Step, TrialError
from segmentation_assets_tests.trial.zygote import Child, fork

HANGS_S = 180.0
"""No step may take so long, on however busy a machine."""
TICK_S = 0.01
AFTERMATH_S = 1.0
"""So long after a fault has ended what it broke may still fail."""
NEXT_KILL_S = 0.3


@dataclass
class _Turn:
    """An actor, and its step under way."""

    name: str
    actor: Actor
    step: Step | None = None
    child: Child | None = None
    count: int = 0
    is_killed: bool = False
    is_over: bool = False


@dataclass
class _Aimed:
    """A fault whose step has begun."""

    fault: Fault
    due_s: float


@dataclass
class Trial:
    """Drives actors until all are done.

    Attributes:
        environment: What can be broken.
        oracle: Knows what is right.
        services: Processes that are started again when they end: the scorer and the stream's consumer.
        injected: Kinds of the faults that came.
        answers: How many answers were judged: states of the lake, and the scorer's.
        log: What happened, with the seconds since the beginning.
    """

    environment: Environment
    oracle: Oracle
    services: dict[str, Service]
    injected: list[str] = field(default_factory=list)
    answers: int = 0
    log: list[str] = field(default_factory=list)
    _turns: list[_Turn] = field(default_factory=list)
    _waiting: list[Fault] = field(default_factory=list)
    _aimed: list[_Aimed] = field(default_factory=list)
    _ends: list[tuple[float, str, Callable[[], None]]] = field(default_factory=list)
    _spans: list[tuple[float, float]] = field(default_factory=list)
    _unjudged: list[tuple[str, LakeState]] = field(default_factory=list)
    _began_s: float = field(default_factory=time.monotonic)

    def play(self, actors: dict[str, Actor], faults: tuple[Fault, ...] = ()) -> None:
        """Let actors do all of their steps, all at once.

        Raises:
            TrialError: Something is wrong.
        """
        self._turns = [_Turn(name, actor) for name, actor in actors.items()]
        self._waiting = list(faults)
        for turn in self._turns:
            self._advance(turn, None)
        while not all(turn.is_over for turn in self._turns):
            self._tick()
            time.sleep(TICK_S)
        self._missed()
        for _, name, end in self._ends:
            self._say(f"{name} ends")
            end()
            self._spans.append((time.monotonic(), time.monotonic() + AFTERMATH_S))
        self._ends.clear()
        self._judge()

    def check(self, who: str, state: LakeState) -> None:
        """Have a state of the lake judged, as soon as the broker has told where messages are."""
        self._unjudged.append((who, state))
        self.answers += 1

    def stop(self) -> None:
        """Kill whatever lives."""
        for child in [turn.child for turn in self._turns] + [service.child for service in self.services.values()]:
            if child is not None:
                child.kill()
                child.wait(10)
        for _, _, end in self._ends:
            end()
        self._ends = []

    def _tick(self) -> None:
        now = time.monotonic()
        for turn in self._turns:
            if turn.child is not None and turn.child.poll() is not None:
                self._end_step(turn, turn.child)
            elif turn.child is not None and now - turn.child.began_s > HANGS_S:
                self._refuse_hanging(turn.child, turn)
        for aimed in list(self._aimed):
            if aimed.due_s <= now:
                self._aimed.remove(aimed)
                self._inject(aimed.fault)
        for due in [each for each in self._ends if each[0] <= now]:
            self._ends.remove(due)
            self._say(f"{due[1]} ends")
            due[2]()
            self._spans.append((now, time.monotonic() + AFTERMATH_S))
        self._watch_services()
        if not any(turn.name == "messages" and turn.child for turn in self._turns):
            self._judge()

    def _end_step(self, turn: _Turn, child: Child) -> None:
        assert turn.step is not None
        excused = self._is_excused(child)
        how = "killed" if turn.is_killed else "failed beside a fault" if child.code and excused else str(child.code)
        self._say(f"{turn.name}: {turn.step.name} ended, {how}, {child.cpu_s:.2f} s of CPU")
        outcome = Outcome(child, turn.is_killed, excused)
        turn.child, turn.is_killed = None, False
        self._advance(turn, outcome)

    def _advance(self, turn: _Turn, outcome: Outcome | None) -> None:
        """Let an actor begin its next step; the faults that are planned for it are aimed."""
        try:
            turn.step = next(turn.actor) if outcome is None else turn.actor.send(outcome)
        except StopIteration:
            turn.is_over = True
            return
        folder = self.environment.folder / "steps" / f"{turn.name}-{turn.count:02}"
        variables = self.environment.variables | dict(turn.step.variables)
        turn.child = fork(turn.step.work, folder, variables, self.environment.file_bytes)
        self._say(f"{turn.name}: {turn.step.name} begins as {folder.name}")
        for fault in [each for each in self._waiting if each.actor == turn.name and each.step <= turn.count]:
            self._waiting.remove(fault)
            late_s = fault.delay_s if fault.step == turn.count else min(fault.delay_s, NEXT_KILL_S)
            self._aimed.append(_Aimed(fault, turn.child.began_s + late_s))
        turn.count += 1

    def _inject(self, fault: Fault) -> None:
        match fault.kind:
            case "kill":
                self._kill(fault)
            case "kill_scorer" | "kill_stream":
                self._kill_service(fault.kind.removeprefix("kill_"))
            case _:
                if any(name == fault.kind for _, name, _ in self._ends):
                    self._waiting.append(fault)  # the same is the case already
                    return
                self._begin(fault)

    def _begin(self, fault: Fault) -> None:
        now = time.monotonic()
        self._say(f"{fault.kind} ({fault.amount}) for {fault.duration_s:.1f} s")
        end = self.environment.begin(fault)
        self._ends.append((now + fault.duration_s, fault.kind, end))
        self._spans.append((now, now + fault.duration_s + AFTERMATH_S))
        self.injected.append(fault.kind)

    def _kill(self, fault: Fault) -> None:
        turn = next(each for each in self._turns if each.name == fault.actor)
        if turn.child is not None and turn.step is not None and turn.step.is_killable and turn.child.kill():
            turn.is_killed = True
            self._say(f"{turn.name}: {turn.step.name} is killed")
            self.injected.append(f"kill {turn.step.name.split()[0]}")
        else:
            self._waiting.append(fault)  # it comes at the next step

    def _kill_service(self, name: str) -> None:
        service = self.services[name]
        if service.child is not None and service.child.kill():
            self._say(f"{name} is killed")
            service.is_killed = True
            self.injected.append(f"kill {name}")

    def _watch_services(self) -> None:
        for service in self.services.values():
            if service.child is None:
                continue
            now = time.monotonic()
            if service.child.poll() is not None:
                if not service.is_killed and not self._is_excused(service.child):
                    raise TrialError(
                        f"{service.name} ended with {service.child.code}, and no fault is to blame:\n"
                        f"{service.child.said()[-3000:]}"
                    )
                self._say(f"{service.name} is started again after {service.child.code}")
                service.start()
                service.away_since_s = now
            if service.away_since_s is not None:
                if service.answers():
                    self._spans.append((service.away_since_s - 1, now + AFTERMATH_S))
                    service.away_since_s = None
                elif now - service.away_since_s > HANGS_S:
                    self._refuse_hanging(service.child, None)

    def _is_excused(self, child: Child) -> bool:
        """Whether a fault lasted while a process lived."""
        away = [service.away_since_s - 1 for service in self.services.values() if service.away_since_s is not None]
        spans = [*self._spans, *((since, child.ended_s) for since in away)]
        return any(began <= child.ended_s and child.began_s <= ended for began, ended in spans)

    def _refuse_hanging(self, child: Child, turn: _Turn | None) -> None:
        child.stacks()
        time.sleep(1)
        child.kill()
        name = turn.step.name if turn and turn.step else child.folder.name
        raise TrialError(f"{name} did not end within {HANGS_S:.0f} s; its stacks are in {child.folder / 'stderr'}")

    def _judge(self) -> None:
        for who, state in self._unjudged:
            wrong = self.oracle.judge(state)
            if wrong:
                raise TrialError(f"{who}, version {state.version} of the lake: " + "\n".join(wrong))
        self._unjudged.clear()

    def _missed(self) -> None:
        for fault in self._left():
            self._say(f"{fault.kind} at step {fault.step} of {fault.actor} came too late")

    def _left(self) -> Iterator[Fault]:
        yield from self._waiting
        yield from (aimed.fault for aimed in self._aimed)
        self._waiting, self._aimed = [], []

    def _say(self, text: str) -> None:
        self.log.append(f"{time.monotonic() - self._began_s:7.2f} {text}")
