"""What follows from the looks of whole columns: whether a file may be loaded as the profile reads it.

Nothing is guessed: where the lines say that the profile reads them wrongly, the load stops and names the setting.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from segmentation.sources.batch.column_evidence import ColumnEvidence, Shapes
from segmentation.sources.profiles.profile import Profile
from segmentation.sources.rules.advice import advice_for

TOLERATED_SHARE = 0.01
"""So many of the texts that fit one reading only may contradict the others: they are refused, each by itself."""

FEWEST_UNREADABLE = 5
"""Fewer values that can't be read stop no load: they are refused, each by itself."""

ORDER_OF = {"/": "month_first", ".": "day_first"}
"""How dates are read whose profile doesn't say: by the mark between the numbers."""

IN_WORDS = {"day_first": "the day first", "month_first": "the month first", "year_first": "the year first"}


@dataclass(frozen=True)
class Verdicts:
    """What is to be said about a file's columns.

    Attributes:
        stops: Why it must not be loaded as it is read now.
        warnings: What people should look at.
    """

    stops: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()


def verdicts_on(evidence: Iterable[ColumnEvidence], profile: Profile, max_unreadable_share: float) -> Verdicts:
    """What follows for one file.

    Args:
        evidence: What its columns look like.
        profile: How it is read.
        max_unreadable_share: Which share of a column's values may be unreadable.
    """
    stops: list[str] = []
    warnings: list[str] = []
    for each in evidence:
        for shapes in each.shapes:
            judge = _judge_dates if each.reading.kind == "date" else _judge_numbers
            judge(each, shapes, profile, stops, warnings)
        if each.unreadable:
            _judge_unreadable(each, max_unreadable_share, stops, warnings)
    return Verdicts(tuple(dict.fromkeys(stops)), tuple(dict.fromkeys(warnings)))


def _judge_dates(each: ColumnEvidence, shapes: Shapes, profile: Profile, stops: list[str], warnings: list[str]) -> None:
    order = profile.reader.dates or ORDER_OF.get(shapes.mark)
    column = each.reading.column
    if order not in ("day_first", "month_first"):
        return
    wrong, right = (shapes.second, shapes.first) if order == "day_first" else (shapes.first, shapes.second)
    example = shapes.examples[1 if order == "day_first" else 0]
    if wrong and shapes.either and wrong >= TOLERATED_SHARE * (wrong + right):
        start = f"{column} is read with {IN_WORDS[order]}, but {wrong:,} of {each.filled:,} values can't be"
        if right > TOLERATED_SHARE * (wrong + right):
            stops.append(
                f"{start} ({example!r}), and {right:,} can't be read otherwise: the column mixes two orders. "
                f"{shapes.either:,} fit both, such as {shapes.examples[2]!r}. Have it exported in one, or separate "
                "them by an expression."
            )
        else:
            advice = advice_for("date", example or "", column, each.reading.text)
            stops.append(
                f"{start}, such as {example!r}, while {shapes.either:,} fit both orders, such as "
                f"{shapes.examples[2]!r}, and would get a wrong day. In the profile, {advice}."
            )
    elif shapes.either and not right and not profile.reader.dates:
        warnings.append(
            f"{column}: whether the day or the month comes first can't be told from {shapes.either:,} of "
            f"{each.filled:,} values, such as {shapes.examples[2]!r}; {IN_WORDS[order]} is assumed. "
            "`reader: {dates: day_first}` or `month_first` in the profile says so."
        )


def _judge_numbers(
    each: ColumnEvidence, shapes: Shapes, profile: Profile, stops: list[str], warnings: list[str]
) -> None:
    column, mark = each.reading.column, profile.reader.decimal
    wrong, right, either = shapes.first, shapes.second, shapes.either
    names = {",": "comma", ".": "point"}
    setting = f'`reader: {{decimal: "{shapes.mark}"}}`'
    if wrong > right and wrong + either > 1 and either + wrong >= TOLERATED_SHARE * each.filled:
        misread = f", and {either:,} such as {shapes.examples[2]!r} would be read as thousands" if either else ""
        stops.append(
            f"{column}: {wrong:,} of {each.filled:,} values can only have a decimal {names[shapes.mark]}, such as "
            f"{shapes.examples[0]!r}{misread}. In the profile, add {setting}."
        )
    elif wrong >= FEWEST_UNREADABLE and either and wrong >= TOLERATED_SHARE * (wrong + right):
        stops.append(
            f"{column} mixes decimal marks: {wrong:,} values such as {shapes.examples[0]!r} and {right:,} such as "
            f"{shapes.examples[1]!r}; {either:,} could be either, such as {shapes.examples[2]!r}. Have it exported "
            "with one, or separate them by an expression."
        )
    elif either and not right:
        warnings.append(
            f"{column}: {either:,} of {each.filled:,} values such as {shapes.examples[2]!r} are read as thousands, "
            f"since the decimal mark is {mark!r}. If they aren't, add {setting} to the profile."
        )


def _judge_unreadable(each: ColumnEvidence, max_share: float, stops: list[str], warnings: list[str]) -> None:
    reading, share = each.reading, each.unreadable / each.filled
    told = (
        f"{each.unreadable:,} of {each.filled:,} values of {reading.column} ({share:.0%}) can't be read as a "
        f"{reading.kind}, such as {each.example!r}: "
        f"{advice_for(reading.kind, each.example or '', reading.column, reading.text)}."
    )
    if each.unreadable >= FEWEST_UNREADABLE and share > max_share:
        stops.append(f"{told} SEGMENTATION_MAX_UNREADABLE_SHARE is {max_share:g}; 1 refuses them one by one instead.")
    else:
        warnings.append(told)
