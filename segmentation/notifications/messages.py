"""What is told of runs and of decisions about the model, in words: plain data in, messages out.

One message tells a whole story: why a model was trained, what the gates said and what changed. Nothing in it names a
customer.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from segmentation.notifications.channels import Level, Message
from segmentation.notifications.promotions import RecordedPromotion

LONGEST_CAUSE = 600


@dataclass(frozen=True)
class Origin:
    """Who asked for a run and why, where its tags say so; both empty otherwise."""

    asked_by: str = ""
    reason: str = ""


@dataclass(frozen=True)
class FailedCheck:
    """A check that failed.

    Attributes:
        asset: Its asset, as `raw/transactions`.
        name: Its name.
        is_warning: Whether it only warns.
        description: What it found.
        refused_version: Of a gate: the model version that it refuses.
        limits: Of a gate: what was measured and the threshold.
    """

    asset: str
    name: str
    is_warning: bool
    description: str
    refused_version: int | None = None
    limits: tuple[float, float] | None = None


@dataclass(frozen=True)
class RunSummary:
    """How a run ended.

    Attributes:
        link: Address of its page; empty if the UI's is not known.
        run_id: The run.
        job: What it was to do.
        partition: Of which partition or range; empty if of none.
        has_failed: Whether it failed.
        step: The step that failed first, if any.
        cause: Why, in words for people.
        checks: The checks that failed.
        origin: Who asked for it and why.
    """

    link: str
    run_id: str
    job: str
    partition: str
    has_failed: bool
    step: str
    cause: str
    checks: Sequence[FailedCheck]
    origin: Origin

    @property
    def label(self) -> str:
        """The job and the partition."""
        return f"{self.job} of {self.partition}" if self.partition else self.job

    @property
    def refused(self) -> list[FailedCheck]:
        """The gates that refused a candidate."""
        return [check for check in self.checks if check.refused_version is not None and not check.is_warning]


def run_message(run: RunSummary) -> Message | None:
    """What to tell of a run that is over; None if nothing is wrong with it."""
    if run.has_failed:
        return _failure(run)
    if run.refused:
        return _refusal(run, run.refused)
    return _failed_checks(run) if run.checks else None


def unchanged_message(run: RunSummary) -> Message:
    """What to tell of a training that monitoring asked for and that left everything as it was."""
    text = ["It ended well, but there is no new model to decide on: the champion stays.", *_why(run.origin)]
    return Message("info", "A training that monitoring asked for changed nothing", _text(text, run.link))


def promotion_message(decision: RecordedPromotion, origin: Origin, by: str, link: str) -> Message:
    """What to tell of a decision.

    Args:
        decision: The decision.
        origin: Who asked for the training or the promotion, and why.
        by: Who decided, in words.
        link: Page of the run that decided; empty if there is none.
    """
    version = decision.version
    facts = [f"Decided by {by}.", *([f"Reason: {decision.reason}"] if decision.reason else []), *_why(origin)]
    if decision.is_rollback:
        title = f"Rolled back: model {version} is champion again"
        return Message("warning", title, _text([f"It takes over from model {decision.champion_before}.", *facts], link))
    said = [*_gates(decision), *_moved(decision)]
    if decision.alias == "challenger":
        told = f"`segmentation models promote {version} --dry-run` shows what would change."
        title = f"Model {version} passed its gates and waits for a person"
        return Message("info", title, _text([told, *facts, *said], link))
    before = decision.champion_before
    told = f"It takes over from model {before}." if before else "It is the first champion."
    level: Level = "warning" if decision.is_override else "success"
    return Message(level, f"Model {version} is the new champion", _text([told, *facts, *said], link))


def _failure(run: RunSummary) -> Message:
    where = f" in step `{run.step}`" if run.step else ""
    text = [f"It failed{where}: {_short(run.cause)}", *_why(run.origin), *_listed(run.checks)]
    return Message(
        "failure",
        f"Run failed: {run.label}",
        _text(text, run.link),
        topic=f"Runs failed: {run.job}",
        summaries=(f"{run.partition or run.run_id[:8]}: {_short(run.cause, 160)}",),
    )


def _refusal(run: RunSummary, refused: Sequence[FailedCheck]) -> Message:
    verdicts = [
        f"- {check.name}: {check.description}"
        + (f" (measured {check.limits[0]:.4g}, threshold {check.limits[1]:.4g})" if check.limits else "")
        for check in refused
    ]
    version = refused[0].refused_version
    how = f"`segmentation models promote {version} --dry-run` shows who would change segment."
    text = [
        f"The champion stays, and decides who is in which segment. {how}",
        *_why(run.origin),
        "\n".join(["Refused by:", "", *verdicts]),
    ]
    return Message("warning", f"Candidate model {version} was refused", _text(text, run.link))


def _failed_checks(run: RunSummary) -> Message:
    first, is_one = run.checks[0], len(run.checks) == 1
    what = f"{first.asset}: {first.name}" if is_one else f"{len(run.checks)} in {run.label}"
    text = [f"The run itself ({run.label}) went on.", *_why(run.origin), *_listed(run.checks)]
    return Message(
        "warning" if all(check.is_warning for check in run.checks) else "failure",
        f"{'Check' if is_one else 'Checks'} failed: {what}",
        _text(text, run.link),
        topic=f"Checks failed in {run.job}",
        summaries=tuple(f"{run.partition or run.run_id[:8]}: {_line(check)}" for check in run.checks),
    )


def _listed(checks: Sequence[FailedCheck]) -> list[str]:
    return ["\n".join(["Checks that failed:", "", *(f"- {_line(check)}" for check in checks)])] if checks else []


def _line(check: FailedCheck) -> str:
    severity = "warning" if check.is_warning else "error"
    return f"{check.asset}: {check.name} ({severity}): {_short(check.description, 300)}"


def _why(origin: Origin) -> list[str]:
    if origin.asked_by:
        return [f"It was asked for by `{origin.asked_by}`: {_short(origin.reason) or 'no reason given'}."]
    return [f"It was asked for because of {_short(origin.reason)}."] if origin.reason else []


def _gates(decision: RecordedPromotion) -> list[str]:
    if not decision.gates:
        return ["The gates were set aside."] if decision.is_override else []
    failed = [name for name, verdict in decision.gates.items() if not verdict["passed"]]
    told = "Gates set aside" if decision.is_override else "Warned by its gates"
    head = f"{told}: {', '.join(failed)}." if failed else f"It passed all {len(decision.gates)} gates:"
    verdicts = [
        f"- {name}: {verdict['measured']:.4g} (threshold {verdict['threshold']:.4g})"
        for name, verdict in decision.gates.items()
    ]
    return ["\n".join([head, "", *verdicts])]


def _moved(decision: RecordedPromotion) -> list[str]:
    if decision.champion_before is None or "movement" not in decision.gates:
        return []
    share = decision.gates["movement"]["measured"]
    count = decision.customer_count
    of_all = f", about {share * count:,.0f} of {count:,}" if count else ""
    return [f"The model alone moves {share:.1%} of customers to another segment{of_all}."]


def _short(text: str, most: int = LONGEST_CAUSE) -> str:
    return text if len(text) <= most else f"{text[: most - 1].rstrip()}…"


def _text(parts: Sequence[str], link: str) -> str:
    return "\n\n".join([*parts, *([f"[The run in Dagster]({link})"] if link else [])])
