import re
from pathlib import Path

import pytest

from segmentation.errors import SegmentationError
from segmentation.features.definitions import rfm_scores
from segmentation.segmentations.config import EXAMPLE, declared_segmentations, parse_segmentations
from segmentation.segmentations.definition import Definition
from segmentation.settings import Settings


def test_words_of_yaml_are_names() -> None:
    text = "segmentations: {no: {segments: [{name: off, when: 'true'}, {name: 1.50, when: 'true'}], otherwise: ~}}"
    found = parse_segmentations(text, "file")["no"]
    assert [segment.name for segment in found.segments] == ["off", "1.50", "Everybody else"]


def test_the_example_is_right_and_a_definition_survives_as_json() -> None:
    found = parse_segmentations(EXAMPLE, "example")
    assert set(found) == {"rfm", "loyalty"}
    for definition in found.values():
        assert Definition.from_json(definition.to_json()) == definition
    assert found["loyalty"].segments[-1].when is None


def test_bundled_rfm_names_are_those_of_the_features() -> None:
    found = parse_segmentations("segmentations: {rfm: {bundled: rfm_quintiles}}", "file")["rfm"]
    names = re.findall(r"(?:THEN|ELSE) '([^']+)'", rfm_scores())
    assert [segment.name for segment in found.segments[:-1]] == names
    assert [when for _, when in found.conditions] == [f"rfm_segment = '{name}'" for name in names]


def test_whatever_is_said_changes_the_hash() -> None:
    base = "segmentations: {a: {segments: [{name: x, when: order_count > 1}]}}"
    changes = [("order_count > 1", "order_count > 2"), ("name: x", "name: y"), ("name: x", "advice: call, name: x")]
    hashes = {parse_segmentations(base.replace(*change), "file")["a"].hash for change in [("", ""), *changes]}
    assert len(hashes) == 4


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("segmentations: 3", "malformed"),
        ("a: [", "not valid YAML"),
        ("segmentation: {}", "malformed"),
        ("segmentations: {a: {segments: []}}", "a: segments: "),
        ("segmentations: {a: {segments: [{name: x}]}}", "a: segments.1.when: Field required"),
        ("segmentations: {a: {segments: [{name: , when: 'true'}]}}", "a: segments.1.name"),
        ("segmentations: {a: {segments: [{name: x, wen: 'true'}]}}", "wen"),
        ("segmentations: {model: {segments: [{name: x, when: 'true'}]}}", "choose another"),
        ("segmentations: {Model: {segments: [{name: x, when: 'true'}]}}", "choose another"),
        ("segmentations: {a b: {segments: [{name: x, when: 'true'}]}}", "letters, digits"),
        ("segmentations: {a: {bundled: rfm}}", "there is rfm_quintiles"),
        ("segmentations: {a: {segments: [{name: x, when: 'true'}, {name: X, when: 'true'}]}}", "two segments"),
        ("segmentations: {a: {segments: [{name: x, when: 'true'}], otherwise: x}}", "two segments"),
        (
            "segmentations: {a: {bundled: rfm_quintiles}, A: {bundled: rfm_quintiles}}",
            "a and A differ in capitals alone",
        ),
        ("segmentations: {a: {segments: [{name: x, when: order_cont > 1}]}}", "a: segment 'x': there is no column"),
    ],
)
def test_what_is_wrong_is_told_with_its_place(text: str, told: str) -> None:
    with pytest.raises(SegmentationError, match=re.escape(told)) as error:
        parse_segmentations(text, "my.yaml")
    assert "my.yaml" in str(error.value)


def test_several_problems_have_a_line_each() -> None:
    text = "segmentations: {a: {segments: [{name: x, when: nix > 1}, {name: y, when: nix > 2}]}, model: {}}"
    with pytest.raises(SegmentationError) as error:
        parse_segmentations(text, "my.yaml")
    assert len(str(error.value).splitlines()) == 3


def test_a_file_that_is_missing_says_nothing_and_an_empty_one_says_none(settings: Settings, tmp_path: Path) -> None:
    chosen = settings.model_copy(update={"segmentations": tmp_path / "own.yaml"})
    assert declared_segmentations(chosen) is None
    for text in ("", "segmentations:\n"):
        chosen.segmentations.write_text(text)
        assert declared_segmentations(chosen) == {}
    chosen.segmentations.unlink()
    chosen.segmentations.mkdir()
    with pytest.raises(SegmentationError, match="SEGMENTATION_SEGMENTATIONS"):
        declared_segmentations(chosen)
