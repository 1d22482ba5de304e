"""What the values of a column look like: dates, numbers, addresses, codes. Nothing about names of columns is here."""

import re
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from statistics import median

from segmentation.sources.suggestion.samples import Column

CURRENCY_SIGNS = re.compile(r"[€$£¥₹￥₽₺₩]|\b[A-Z]{3}\b|R\$|\bkr\.?|zł|\bFr\.?|\s")
NUMBER = re.compile(r"[-+(]*\d[\d.,'’]*[)-]?")
INTEGER = re.compile(r"[-+]?\d+(?:\.0+)?")
ISO_DATE = re.compile(r"\d{4}[-/.]\d{1,2}[-/.]\d{1,2}(?:[T ,]+\d{1,2}:\d{2}.*)?\s*")
COMPACT_DATE = re.compile(r"(?:19|20)\d\d(?:0[1-9]|1[0-2])(?:0[1-9]|[12]\d|3[01])(?:T?\d{4,6})?")
PARTED_DATE = re.compile(r"(\d{1,2})([-/.])(\d{1,2})\2(\d{4}|\d{2})(?:[T ,]+\d{1,2}[:.]\d{2}.*)?\s*")
WORDED_DATE = re.compile(r"(?i).*\b(?:jan|feb|m[aä]r|apr|ma[iy]|jun|jul|aug|sep|o[ck]t|nov|de[cz])[a-zé]*\b.*\d{2}.*")
HAN_DATE = re.compile(r"\d{4}年\d{1,2}月\d{1,2}日.*")
CLOCK = re.compile(r"\d[:h]\d{2}")
OFFSET = re.compile(r"\d\s*(?:[zZ]|UTC|GMT|[A-Z]{3,4}|[+-]\d{2}:?\d{2})(?:\s*\[.*\])?\s*$")
EMAIL = re.compile(r"[^@\s]+@[^@\s]+\.[^@\s]+")
CURRENCY_CODE = re.compile(r"[A-Z]{3}")
COUNTRY_CODE = re.compile(r"[A-Z]{2}")
EPOCHS = ((946_684_800, 4_102_444_800, 1), (946_684_800_000, 4_102_444_800_000, 1_000))
NOTHING = ("", "null", r"\n", "nan", "none", "#n/a", "n/a", "-")


def is_date(text: str) -> bool:
    """Whether a text is a date that can't be taken for a number, or has eight digits that are one."""
    return any(
        shape.fullmatch(text.strip()) for shape in (ISO_DATE, COMPACT_DATE, PARTED_DATE, HAN_DATE, WORDED_DATE)
    ) and not EMAIL.fullmatch(text)


def is_number(text: str) -> bool:
    """Whether a text is a number, in whatever spelling of money."""
    return bool(NUMBER.fullmatch(CURRENCY_SIGNS.sub("", text)))


@dataclass(frozen=True)
class Facts:
    """What a column's values look like; shares are of those that are there."""

    header: str
    all_values: tuple[str, ...]

    @classmethod
    def of(cls, column: Column) -> "Facts":
        """The facts of a column; spellings of nothing count as empty."""
        return cls(column.header, tuple("" if text.lower() in NOTHING else text for text in column.values))

    @cached_property
    def values(self) -> tuple[str, ...]:
        """Those that are there."""
        return tuple(filter(None, self.all_values))

    @cached_property
    def filled(self) -> float:
        """Share of lines with a value."""
        return len(self.values) / max(len(self.all_values), 1)

    @cached_property
    def distinct(self) -> int:
        """How many different values there are."""
        return len(set(self.values))

    @cached_property
    def dates(self) -> float:
        """Share that are dates by their looks."""
        return self._share(is_date)

    @cached_property
    def numbers(self) -> float:
        """Share that are numbers."""
        return self._share(is_number)

    @cached_property
    def integers(self) -> float:
        """Share that are whole numbers."""
        return self._share(INTEGER.fullmatch)

    @cached_property
    def emails(self) -> float:
        """Share that are addresses of e-mail."""
        return self._share(EMAIL.fullmatch)

    @cached_property
    def clocks(self) -> float:
        """Share of dates with a time of day."""
        return self._share(CLOCK.search)

    @cached_property
    def offsets(self) -> float:
        """Share of dates that say their offset."""
        return self._share(lambda text: CLOCK.search(text) and OFFSET.search(text))

    @cached_property
    def country_codes(self) -> float:
        """Share that are two capital letters."""
        return self._share(COUNTRY_CODE.fullmatch)

    @cached_property
    def currency_codes(self) -> float:
        """Share that are three capital letters."""
        return self._share(CURRENCY_CODE.fullmatch)

    @cached_property
    def middle(self) -> float:
        """The median of whole numbers, without sign; 0 if there is none."""
        found = [abs(float(text)) for text in self.values if INTEGER.fullmatch(text)]
        return median(found) if found else 0.0

    @cached_property
    def has_leading_zeros(self) -> bool:
        """Whether it has numbers such as 00017, which count nothing."""
        return any(len(text) > 1 and text[0] == "0" and text.isdigit() for text in self.values)

    @cached_property
    def is_of_epochs(self) -> bool:
        """Whether all are seconds or milliseconds since 1970, of this century."""
        numbers = [int(text) for text in self.values if text.isdigit()]
        return len(numbers) == len(self.values) > 0 and any(
            all(low <= number <= high for number in numbers) for low, high, _ in EPOCHS
        )

    @cached_property
    def is_of_serials(self) -> bool:
        """Whether all are days of a spreadsheet's calendar, from 1995 to 2036."""
        try:
            return bool(self.values) and all(34_700 <= float(text) <= 50_000 for text in self.values)
        except ValueError:
            return False

    def _share(self, is_so: Callable[[str], object]) -> float:
        return sum(1 for text in self.values if is_so(text)) / max(len(self.values), 1)


def decimal_mark(columns: Sequence[Facts]) -> str | None:
    """The decimal mark that numbers of several columns show; None if none shows one."""
    votes: Counter[str] = Counter()
    for facts in columns:
        votes.update(mark for text in facts.values if is_number(text) and (mark := _mark_of(text)))
    return votes.most_common(1)[0][0] if votes else None


def date_order(facts: Facts) -> tuple[str | None, bool]:
    """Which of day, month and year is first in dates such as 03/04/2024, and whether the values leave it open.

    None, if the column has no such dates; before points stands the day, unless that can't be.
    """
    votes: Counter[str] = Counter()
    matches = [match for text in facts.values if (match := PARTED_DATE.fullmatch(text))]
    parted = [match for match in matches if match[2] != "." or int(match[3]) > 12]
    for match in parted:
        first, second = int(match[1]), int(match[3])
        if first > 31:
            votes["year_first"] += 1
        elif first > 12:
            votes["day_first"] += 1
        elif second > 12:
            votes["month_first"] += 1
    if not parted:
        return None, False
    return (votes.most_common(1)[0][0], len(votes) > 1) if votes else ("month_first", True)


def _mark_of(text: str) -> str | None:
    bare = CURRENCY_SIGNS.sub("", text)
    last = max(bare.rfind("."), bare.rfind(","))
    if last < 0:
        return None
    mark, other = (".", ",") if bare[last] == "." else (",", ".")
    if other in bare:
        return mark
    if bare.count(mark) > 1:
        return other
    return mark if len(bare.rstrip(")-")) - last - 1 != 3 else None


def number_of(text: str, mark: str | None = ".") -> float | None:
    """A number by its decimal mark; None if it can't be read."""
    bare = CURRENCY_SIGNS.sub("", text).replace("'", "").replace("’", "")
    bare = bare.replace(".", "").replace(",", ".") if mark == "," else bare.replace(",", "")
    is_negative = "-" in bare or bare.startswith("(")
    try:
        size = float(bare.strip("()+-"))
    except ValueError:
        return None
    return -size if is_negative else size
