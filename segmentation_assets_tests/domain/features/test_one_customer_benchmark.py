"""The benchmark of one customer: every number of lines is computed, and answers that differ are told."""

import math
from pathlib import Path

import pytest

from benchmarks.one_customer.__main__ import CHECKOUT, rows, targets
from benchmarks.one_customer.lines import lines_of_one_customer
from benchmarks.one_customer.running import Figures, differences, run
from segmentation.features.one_customer import COLUMNS

ANSWER = {"order_count": 3, "net_revenue": 12.5, "top_category": "tea", "std_gap_days": None}


def test_a_customer_has_as_many_lines_as_asked_for_and_the_same_ones_first() -> None:
    many = lines_of_one_customer(400)
    assert many[:74] == lines_of_one_customer(74)
    assert {tuple(line) for line in many} == {COLUMNS}
    assert {line["customer_id"] for line in many} == {"one"}
    assert len({line["order_id"] for line in many}) > 100


def test_a_checkout_is_measured_in_a_process_of_its_own(tmp_path: Path) -> None:
    (found,) = run([CHECKOUT], (10, 100), (), 1, 0.0, tmp_path)
    assert list(found.in_process_ms) == [10, 100]
    assert all(0 < ms < math.inf for ms in (*found.in_process_ms.values(), found.opening_ms))
    assert found.answers[100]["gross_revenue"] > found.answers[10]["gross_revenue"] > 0
    assert [row["case"] for row in rows([found])] == ["opening", "in process, 10 lines", "in process, 100 lines"]
    assert targets([found])[0].measured == found.in_process_ms[100]


@pytest.mark.parametrize(
    ("changed", "told"),
    [
        ({"net_revenue": 12.5 * (1 + 1e-12)}, []),
        ({"net_revenue": 12.50001}, ["10 lines in process: net_revenue is 12.5 and 12.50001"]),
        ({"order_count": 4}, ["10 lines in process: order_count is 3 and 4"]),
        ({"top_category": None}, ["10 lines in process: top_category is 'tea' and None"]),
        ({"more": 1}, ["10 lines in process: more is None and 1"]),
    ],
)
def test_answers_that_differ_are_told(changed: dict[str, object], told: list[str]) -> None:
    one = Figures(Path("one"), answers={10: ANSWER})
    other = Figures(Path("other"), answers={10: {**ANSWER, **changed}})
    assert differences(one, other) == told
