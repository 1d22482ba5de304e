"""Order lines that are to be scored, by the contract that those in the lake keep: the same macros, the same rules.

What is stored is staged (`staging`), many lines at a time and with a statement planned for each profile. Here lines
come by the handful and in the contract's own columns, so the statement is planned once a minute, and lines that are
plainly right don't need it.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, time, timedelta
from operator import itemgetter
from threading import Lock
from typing import Any

import duckdb

from segmentation.settings import Settings
from segmentation.sources.profiles.contract import CLEANED_BY, GENERIC_RULES, NO_EXCHANGE_RATE
from segmentation.sources.profiles.profile import Input, Profile
from segmentation.sources.readers.exchange_rates import rates_of
from segmentation.sources.readers.files import Lines
from segmentation.sources.rules.currency import Exchange
from segmentation.sources.rules.plain_lines import as_plain
from segmentation.sources.rules.validation import broken_rules
from segmentation.sources.staging import bound_times, define_macros, read_as
from segmentation.warehouse.sql import literal

TYPES = {
    **dict.fromkeys(("order_id", "customer_id", "product_id", "category", "ordered_at"), "VARCHAR"),
    **dict.fromkeys(("country", "channel", "currency"), "VARCHAR"),
    **dict.fromkeys(("quantity", "unit_price", "amount", "discount"), "DOUBLE"),
}
"""What a line may say, with DuckDB types; a date is text, to be read as one of a CSV file is."""

FIELDS_OF = {
    name: tuple(each for each in CLEANED_BY if re.search(rf"\b{each}\b", sql)) for name, sql in GENERIC_RULES
} | {NO_EXCHANGE_RATE: ("currency", "ordered_at")}
"""By rule, the columns that it looks at."""

GIVEN = Lines("given", {name: name for name in TYPES}, TYPES)

CHECKED = tuple(name for name in CLEANED_BY if name in TYPES and name != "unit_price")

TEXTS = ("category", "country", "channel")

MAX_KNOWN_TEXTS = 10_000

RATES = "exchange_rates"

FIRST_CURRENCY = """(
    SELECT arg_min(code, file_id)
    FROM (SELECT file_id, clean_currency(currency) AS code FROM given)
    WHERE regexp_full_match(code, '[A-Z]{3}')
)"""

INSERT = f"""
INSERT INTO given SELECT unnest(CAST(? AS INTEGER[])), {", ".join(f"unnest(CAST(? AS {t}[]))" for t in TYPES.values())}
"""


@dataclass(frozen=True)
class BrokenRule:
    """A rule that a line breaks.

    Attributes:
        index: Of the line; the first one is 0.
        rule: Name of the rule, as in `raw.rejected_transactions`.
        fields: The columns that it looks at.
    """

    index: int
    rule: str
    fields: tuple[str, ...]


@dataclass(frozen=True)
class CheckedLines:
    """Lines as the lake would have them.

    Attributes:
        lines: By contract column, without `line_id` and `unit_price`; meant for use only if nothing is broken.
        broken: Broken rules; of each line, first the one that the lake would name.
    """

    lines: Sequence[dict[str, Any]]
    broken: Sequence[BrokenRule]


class LineContract:
    """Cleans lines, and tells which rules they break. Threads may share one; they take turns."""

    def __init__(self, settings: Settings, timezone: str = "UTC", days_zone: str = "UTC") -> None:
        """Open an in-memory DuckDB.

        Args:
            settings: Say the earliest plausible day, the reporting currency and its exchange rates.
            timezone: Zone of times that don't say theirs.
            days_zone: Zone in which the days of exchange rates begin.
        """
        self._earliest_day = settings.earliest_day
        self._rates = rates_of(settings)
        # Without a reporting currency, all lines of a request are to be in the same one.
        reporting = literal(settings.currency) if settings.currency else FIRST_CURRENCY
        self._exchange = (
            Exchange(reporting, days_zone) if self._rates is None else Exchange(reporting, days_zone, RATES)
        )
        self._currencies = {None, settings.currency or None}
        self._planned_at: datetime | None = None
        self._lock = Lock()
        inputs = {name: Input(headers=(name,)) for name in TYPES}
        columns = {name: name for name in TYPES}
        self._profile = Profile(name="scored", timezone=timezone, inputs=inputs, columns=columns)
        self._texts: set[str | None] = {None}
        self._products: set[str] = set()
        self._con = duckdb.connect(":memory:", config={"threads": 1})
        self._con.execute("SET TimeZone = 'UTC'")
        # The statement is planned while the table is empty, and would take for granted what holds for no lines.
        self._con.execute("SET disabled_optimizers = 'statistics_propagation'")
        define_macros(self._con)
        read_as(self._con, self._profile)
        types = ", ".join(f"{name} {kind}" for name, kind in TYPES.items())
        self._con.execute(f"CREATE TABLE given (file_id INTEGER, {types})")

    def check(self, lines: Sequence[Any], now: datetime) -> CheckedLines:
        """Clean lines, and tell which rules they break.

        Args:
            lines: Objects with attributes called as in `TYPES`, None where nothing is said.
            now: In UTC, without a zone; a line of more than a day later is implausible.
        """
        minute = now.replace(second=0, microsecond=0)
        with self._lock:
            plain = self._plain(lines, minute)
            if plain is not None:
                return CheckedLines(plain, ())
            self._plan(minute)
            self._con.execute("DELETE FROM given")
            columns = [[getattr(line, name) for line in lines] for name in TYPES]
            self._con.execute(INSERT, [list(range(len(lines))), *columns])
            rows = sorted(self._con.execute("EXECUTE checked").fetchall(), key=itemgetter(0))
            cleaned = [dict(zip(CHECKED, row[2:], strict=True)) for row in rows]
            self._learn(lines, cleaned)
        return CheckedLines(cleaned, [each for index, rules, *_ in rows for each in _broken(index, rules)])

    def _plain(self, lines: Sequence[Any], minute: datetime) -> list[dict[str, Any]] | None:
        """The lines, if all of them are plainly right."""
        earliest, latest = datetime.combine(self._earliest_day, time()), minute + timedelta(days=1)
        is_utc = self._profile.timezone == "UTC"
        found: list[dict[str, Any]] = []
        for line in lines:
            plain = as_plain(
                line, texts=self._texts, products=self._products, earliest=earliest, latest=latest, is_utc=is_utc
            )
            if plain is None or line.currency not in self._currencies:
                return None
            found.append(plain)
        return found

    def _learn(self, lines: Sequence[Any], cleaned: Sequence[dict[str, Any]]) -> None:
        """Remember what cleaning didn't change: of categories, countries, channels and products there are few."""
        if len(self._texts) + len(self._products) > MAX_KNOWN_TEXTS:
            return
        for line, clean in zip(lines, cleaned, strict=True):
            self._texts.update(text for name in TEXTS if (text := getattr(line, name)) == clean[name])
            if line.product_id is not None and line.product_id == clean["product_id"]:
                self._products.add(line.product_id)

    def close(self) -> None:
        """Close the DuckDB."""
        self._con.close()

    def _plan(self, minute: datetime) -> None:
        """Plan the statement, which has the bounds of plausible times in it."""
        if minute != self._planned_at:
            bound_times(self._con, self._earliest_day, minute)
            if self._rates is not None:
                self._rates.read(self._con, RATES)
            query = broken_rules(self._profile, GIVEN, CHECKED, GENERIC_RULES, self._exchange)
            self._con.execute(f"PREPARE checked AS {query}")
            self._planned_at = minute


def _broken(index: int, rules: str) -> list[BrokenRule]:
    """The rules that a line breaks, without those that say no more of its columns than an earlier one."""
    found: list[BrokenRule] = []
    told: set[str] = set()
    for rule in rules.split():
        if not told.issuperset(FIELDS_OF[rule]):
            told.update(FIELDS_OF[rule])
            found.append(BrokenRule(index, rule, FIELDS_OF[rule]))
    return found
