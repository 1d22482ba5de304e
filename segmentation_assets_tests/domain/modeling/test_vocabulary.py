"""One vocabulary: whatever else names customers uses none of the words that segments are called by."""

import re

import pytest

from segmentation.features.definitions import rfm_scores
from segmentation.metadata.features import BY_NAME
from segmentation.metadata.vocabulary import AWAY, BY_LABEL, NAMED_FROM, QUANTILES, WORDS, mentioned
from segmentation.segments.transitions import CAUSE

MEASURES = {"expected_gap_days", "unit_price"}


@pytest.mark.parametrize("sql", [rfm_scores(), CAUSE], ids=["RFM cells", "causes of movement"])
def test_names_that_do_not_go_by_own_rhythm_use_other_words(sql: str) -> None:
    labels = re.findall(r"'([A-Za-z_ ]+)'", sql)
    assert len(labels) >= 5
    assert [label for label in labels if mentioned(label.replace("_", " "))] == []


@pytest.mark.parametrize("word", WORDS, ids=lambda word: word.label)
def test_a_condition_is_about_known_features_and_percentiles(word: object) -> None:
    condition = BY_LABEL[getattr(word, "label", "")].condition
    compared = set(re.findall(r"shop\.(\w+)", condition))
    known = {f"{measure}_p{percent}" for measure, percents in QUANTILES.items() for percent in percents}
    assert compared <= known
    names = set(re.findall(r"(?<![.\w])[a-z_]{4,}", condition))
    assert names <= {*NAMED_FROM, *MEASURES, "shop"}


def test_words_are_of_features_that_there_are() -> None:
    assert set(NAMED_FROM) <= set(BY_NAME)
    assert {word.feature for word in WORDS if word.sign} <= set(NAMED_FROM)
    assert set(BY_LABEL) >= AWAY
    assert len(BY_LABEL) == len(WORDS)
