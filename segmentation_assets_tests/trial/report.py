"""What came out of seeds, in words and figures."""

from collections import Counter
from collections.abc import Iterator, Sequence

from segmentation_assets_tests.trial.seed import Verdict


def line_of(verdict: Verdict) -> str:
    """A seed in a line."""
    state = "WRONG" if verdict.problem else "ok"
    return (
        f"seed {verdict.seed:>4} {state:>5} {verdict.took_s:6.1f} s  {len(verdict.injected):>3} faults  "
        f"{verdict.acknowledged:>6} lines acknowledged  {verdict.in_lake:>6} in the lake  {verdict.answers:>3} answers"
    )


def summary_of(verdicts: Sequence[Verdict]) -> Iterator[str]:
    """All seeds: faults by kind, lines, answers, and what is wrong."""
    kinds = Counter(kind for verdict in verdicts for kind in verdict.injected)
    wrong = [verdict for verdict in verdicts if verdict.problem]
    yield f"{'fault':<20} {'times':>6}"
    yield from (f"{kind:<20} {count:>6}" for kind, count in sorted(kinds.items()))
    yield f"{'all faults':<20} {kinds.total():>6}"
    yield f"{'seeds':<20} {len(verdicts):>6}"
    yield f"{'lines acknowledged':<20} {sum(verdict.acknowledged for verdict in verdicts):>6}"
    yield f"{'lines in the lakes':<20} {sum(verdict.in_lake for verdict in verdicts):>6}"
    yield f"{'answers judged':<20} {sum(verdict.answers for verdict in verdicts):>6}"
    yield f"{'seeds gone wrong':<20} {len(wrong):>6}"
    tracebacks = Counter(each.partition(": ")[2] for verdict in verdicts for each in verdict.tracebacks)
    yield f"{'tracebacks':<20} {tracebacks.total():>6}"
    yield from (f"  {count} × {text}" for text, count in tracebacks.most_common(12))
    for verdict in wrong:
        yield f"\nSeed {verdict.seed} went wrong; its lake, log and plan are in {verdict.kept}\n{verdict.problem}"
