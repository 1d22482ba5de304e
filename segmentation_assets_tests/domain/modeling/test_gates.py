from dataclasses import replace

import pytest

from segmentation.modeling.gates import Comparison, Evidence, evaluate
from segmentation.settings import Settings

GOOD = Evidence(0.1, 0.4, {"A": 0.9, "B": 0.95}, 0.2, 0.25, Comparison(1, 0.1, 0.1, 0.2, 0.25))
SETTINGS = Settings()


def _refusing(evidence: Evidence) -> dict[str, str]:
    verdicts = evaluate(evidence, SETTINGS)
    return {name: verdict.explanation for name, verdict in verdicts.items() if verdict.refuses}


def test_a_good_model_passes_all() -> None:
    assert _refusing(GOOD) == {}


def test_a_first_model_is_only_judged_by_itself() -> None:
    assert _refusing(replace(GOOD, comparison=None)) == {}
    assert _refusing(replace(GOOD, comparison=None, forward=None, silhouette=-0.5)) == {}


def test_gates_only_warn_of_the_first_model() -> None:
    tiny = replace(GOOD, smallest=0.001, comparison=None, is_first=True)
    assert _refusing(tiny) == {}
    assert [name for name, verdict in evaluate(tiny, SETTINGS).items() if not verdict.passed] == ["smallest_segment"]


@pytest.mark.parametrize(
    ("poisoned", "gate", "words"),
    [
        (replace(GOOD, smallest=0.001), "smallest_segment", "holds 0.1% of customers; at least 2.0% is needed"),
        (replace(GOOD, separation=0.1), "separation", "is 0.100; at least 0.150"),
        (replace(GOOD, stability={"A": 0.9, "B": 0.5}), "stability", "the weakest segment, 'B', overlaps by 0.50"),
        (replace(GOOD, silhouette=0.1), "validity", "that of champion 1 0.200; at most 0.050 may be lost"),
        (replace(GOOD, forward=0.2), "forward_value", "those of champion 1 25.0%; at least 22.5%"),
        (replace(GOOD, forward=0.001, comparison=None), "forward_value", "at least 2.0% is needed"),
        (replace(GOOD, comparison=Comparison(1, 0.3, 0.1, 0.2, 0.25)), "movement", "30.0% of customers with 10.0%"),
        (replace(GOOD, comparison=Comparison(1, 0.1, 0.3, 0.2, 0.25)), "movement", "10.0% of customers with 30.0%"),
    ],
)
def test_each_fault_is_stopped_by_its_gate(poisoned: Evidence, gate: str, words: str) -> None:
    refusing = _refusing(poisoned)
    assert list(refusing) == [gate]
    assert words in refusing[gate]
