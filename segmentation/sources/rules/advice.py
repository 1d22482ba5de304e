"""What to write into a profile so that a value is read that was refused: derived from the very value.

It is for messages; whether a value can be read is decided by the macros alone.
"""

import re
from collections.abc import Iterator
from typing import Literal

Kind = Literal["date", "number"]

MONTHS = re.compile(r"(?i)(jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec)[a-z]*")
DAYS = re.compile(r"(?i)(mon|tues?|wed(nes)?|thu(rs)?|fri|sat(ur)?|sun)(day)?")
HALVES = re.compile(r"(?i)[ap]m")
TOKEN = re.compile(r"\d+|[^\W\d_]+|.", re.DOTALL)
PARTED = re.compile(r"\s*(\d{1,2})([-/.])(\d{1,2})\2(\d{2,4})\s*(?P<time>.*?)\s*")
USUAL_TIME = re.compile(r"(?i)(\d{1,2}:\d{2}(:\d{2}(\.\d+)?)?(\s*[ap]m)?(\s*(Z|UTC|GMT|[+-]\d{2}:?\d{2}))?)?")
OFFSET = re.compile(r"(?<=\d)(?P<space>\s*)[+-]\d{2}:?\d{2}$")
ZONE = re.compile(r"(?<=\d) ([A-Z]{2,5})$")
ONE_COMMA, ONE_POINT = re.compile(r"[^\d.,]*\d*,\d+[^\d.,]*"), re.compile(r"[^\d.,]*\d*\.\d+[^\d.,]*")


def advice_for(kind: Kind, value: str, column: str, value_of: str = "input") -> str:
    """What to change so that a value is read, as a part of a profile and a few words.

    Args:
        kind: What it should be.
        value: The value.
        column: The contract column that it is for.
        value_of: SQL expression that gives the value.
    """
    text = value.strip()
    return _for_date(text, column, value_of) if kind == "date" else _for_number(text, column, value_of)


def _for_date(text: str, column: str, value_of: str) -> str:
    if (zone := ZONE.search(text)) and zone[1].upper() not in ("AM", "PM"):
        return (
            f"{zone[1]} names no zone, or several: set `timezone:` to the one that is meant and use "
            f"`{column}: regexp_replace({value_of}, ' {zone[1]}$', '')`"
        )
    pattern = strptime_pattern(text)
    expression = f"`{column}: try_strptime({value_of}, '{pattern}')`" if pattern else ""
    found = PARTED.fullmatch(text)
    if found and USUAL_TIME.fullmatch(found["time"]) and (orders := _orders(int(found[1]), int(found[3]))):
        settings = " or ".join(f"`reader: {{dates: {order}}}`" for order in orders)
        return f"add {settings}" + (f", or use {expression}" if len(orders) == 1 else ", whichever the source means")
    if expression:
        return f"use {expression}"
    return f"it is no date that is known; map {column} to another input, or use an expression over {value_of}"


def _orders(first: int, second: int) -> list[str]:
    day_fits, month_fits = first <= 31 and 1 <= second <= 12, 1 <= first <= 12 and second <= 31
    return [name for name, fits in (("day_first", day_fits), ("month_first", month_fits)) if fits] or (
        ["year_first"] if second <= 12 else []
    )


def strptime_pattern(text: str) -> str | None:
    """The strptime format that a text seems to have; None if it has too few numbers for a date."""
    if (offset := OFFSET.search(text)) and (before := strptime_pattern(text[: offset.start()])):
        return f"{before}{offset['space']}%z"
    tokens = TOKEN.findall(text)
    numbers = [token for token in tokens if token.isdigit()]
    has_month = any(MONTHS.fullmatch(token) for token in tokens)
    if re.fullmatch(r"(19|20)\d\d(0[1-9]|1[0-2])", text):
        return "%Y%m"
    if len(numbers) + has_month < 3 or any(len(token) > 4 for token in numbers):
        return None
    directives = iter(_directives(numbers, has_month, has_half=any(HALVES.fullmatch(token) for token in tokens)))
    return "".join(_directive(token, directives) for token in tokens).replace("'", "''")


def _directives(numbers: list[str], has_month: bool, has_half: bool) -> list[str]:
    clock = ["%I" if has_half else "%H", "%M", "%S", "%f"]
    if has_month:
        date = ["%Y", "%d"] if len(numbers[0]) == 4 else ["%d", "%Y" if len(numbers[1]) == 4 else "%y"]
    elif len(numbers[0]) == 4:
        date = ["%Y", "%d", "%m"] if int(numbers[1]) > 12 else ["%Y", "%m", "%d"]
    else:
        year = "%Y" if len(numbers[2]) == 4 else "%y"
        date = ["%m", "%d", year] if int(numbers[0]) <= 12 < int(numbers[1]) else ["%d", "%m", year]
    return [*date, *clock]


def _directive(token: str, directives: Iterator[str]) -> str:
    if token.isdigit():
        return next(directives, token)
    if HALVES.fullmatch(token):
        return "%p"
    if MONTHS.fullmatch(token):
        return "%b" if len(token) == 3 else "%B"
    if DAYS.fullmatch(token):
        return "%a" if len(token) == 3 else "%A"
    return token.replace("%", "%%")


def _for_number(text: str, column: str, value_of: str) -> str:
    if text.endswith("%"):
        return f"use `{column}: as_number(rtrim({value_of}, '%')) / 100`, times what it is a share of"
    if ONE_COMMA.fullmatch(text):
        return 'add `reader: {decimal: ","}` if the comma is the decimal mark'
    if ONE_POINT.fullmatch(text):
        return 'add `reader: {decimal: "."}` if the point is the decimal mark'
    if re.search(r"\d", text):
        return f"use `{column}: as_number(regexp_extract({value_of}, '[-0-9.,]+'))` if that is the number in it"
    return f"it is no number; add it to `reader: {{nulls: […]}}` if it stands for nothing, or map {column} otherwise"
