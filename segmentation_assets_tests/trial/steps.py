"""What actors ask for: a process with work to do, and what became of it."""

from collections.abc import Callable, Generator
from dataclasses import dataclass

from segmentation_assets_tests.trial.zygote import Child

MOST_TRIES = 40


@dataclass(frozen=True)
class Step:
    """Work for a process of its own.

    Attributes:
        name: What it is, such as `ingest`.
        work: What the process does.
        variables: That differ from the trial's.
        is_killable: Whether faults may kill it; senders of messages are no part of the platform.
    """

    name: str
    work: Callable[[], object]
    variables: tuple[tuple[str, str], ...] = ()
    is_killable: bool = True


@dataclass(frozen=True)
class Outcome:
    """What became of a step.

    Attributes:
        child: The process, which has ended.
        is_killed: Whether a fault killed it.
        is_excused: Whether another fault befell it, so that it may have failed.
    """

    child: Child
    is_killed: bool
    is_excused: bool

    @property
    def is_done(self) -> bool:
        """Whether it did what it should."""
        return self.child.code == 0


Actor = Generator[Step, Outcome, None]
"""Yields steps, and is sent what became of each."""


class TrialError(Exception):
    """Something is wrong that no fault excuses."""


def until_done(
    step: Callable[[], Step], accept: Callable[[Outcome], bool] | None = None
) -> Generator[Step, Outcome, Outcome]:
    """Try a step again and again until it is done, as an operator would.

    Args:
        step: Makes the next try.
        accept: Whether an outcome will do; if left out, whether it is done.

    Raises:
        TrialError: It failed, and no fault is to blame.
    """
    for _ in range(MOST_TRIES):
        tried = step()
        outcome = yield tried
        if accept(outcome) if accept else outcome.is_done:
            return outcome
        if not (outcome.is_killed or outcome.is_excused):
            raise TrialError(
                f"{tried.name} ended with {outcome.child.code}, and no fault is to blame:\n{tail(outcome)}"
            )
    raise TrialError(f"{tried.name} failed {MOST_TRIES} times:\n{tail(outcome)}")


def tail(outcome: Outcome) -> str:
    """The end of what a process complained of."""
    return outcome.child.said()[-3000:]
