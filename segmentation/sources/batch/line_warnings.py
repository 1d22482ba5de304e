"""What is odd about the lines that would be accepted: told by a dry run, and no reason to refuse anything.

It looks at lines as the contract has them; how texts were read is in `column_verdicts`.
"""

import re
from collections.abc import Collection, Iterator, Sequence
from typing import Any

import duckdb

from segmentation.sources.profiles.contract import IMPLAUSIBLE_DATE
from segmentation.sources.profiles.headers import folded
from segmentation.sources.profiles.profile import Profile

FEWEST_LINES = 10
"""Fewer lines have no shares and no constants worth a word."""

MANY_LINES, LARGE_SHARE = 50, 0.05
"""A customer with more than this share of at least so many lines is hardly one person."""

NOBODY = (
    "0|00|000|9999|99999|unknown|unbekannt|inconnu|desconocido|sconosciuto|guest|gast|invité|invitado|anonymous|anonym|"
    "anon|cash|bar|walk-in|walkin|test|dummy|default|customer|kunde|client|no customer|not set|(not set)|-1|?|x|missing"
)
"""What shops call customers whom they don't know."""

IDS = ("order_id", "customer_id", "product_id")

COLUMNS = (*IDS, "quantity", "unit_price", "ordered_at")
"""Columns that hardly ever are the same on all lines."""

OPTIONAL = ("category", "country", "channel")

COUNTS = "SELECT count(*), {exponents}, {constants}, {filled} FROM ({lines})"

EXPONENT = "min({column}) FILTER (regexp_full_match({column}, '[0-9]([.,][0-9]+)?[eE][+][0-9]+'))"

TOP_CUSTOMERS = """
SELECT customer_id, count(*) AS line_count, regexp_full_match(lower(customer_id), $nobody) AS is_nobody
FROM ({lines})
GROUP BY customer_id
ORDER BY is_nobody DESC, line_count DESC, customer_id
LIMIT 1
"""

TOP_CUSTOMER = TOP_CUSTOMERS.replace("is_nobody DESC, ", "")

ALIKE = """
SELECT count(*), min(examples[1]), min(examples[2])
FROM (
    SELECT list(DISTINCT customer_id ORDER BY customer_id) AS examples
    FROM ({lines})
    WHERE {condition}
    GROUP BY {folded}
    HAVING count(DISTINCT customer_id) > 1
)
"""

FOLDS = (
    ("contains(customer_id, '@')", "lower(customer_id)", "in upper and lower case only", "lower(…)"),
    (
        "regexp_full_match(customer_id, '[0-9]+')",
        "ltrim(customer_id, '0')",
        "in leading zeros only, which spreadsheets drop",
        "ltrim(…, '0')",
    ),
    (
        "regexp_matches(customer_id, '\\s')",
        "regexp_replace(customer_id, '\\s+', ' ', 'g')",
        "in white space only",
        "regexp_replace(…, '\\s+', ' ', 'g')",
    ),
)
"""Which ids are compared, by what, how they differ, and what makes them equal."""


def line_warnings(
    accepted: duckdb.DuckDBPyRelation,
    con: duckdb.DuckDBPyConnection,
    profile: Profile,
    rejected_by_reason: dict[str, int],
    headers: Collection[str],
) -> tuple[str, ...]:
    """What people should look at before they load lines.

    Args:
        accepted: The lines that would be accepted.
        con: The connection that they are on.
        profile: How they were read.
        rejected_by_reason: How many were refused.
        headers: What columns the files have.
    """
    lines = accepted.sql_query()
    present = [column for column in OPTIONAL if _is_there(profile, column, headers)]
    warnings = [*_of_customers(con, lines), *_of_columns(con, lines, present)]
    if count := rejected_by_reason.get(IMPLAUSIBLE_DATE):
        warnings.append(
            f"{count:,} lines have a date before SEGMENTATION_EARLIEST_DAY or after tomorrow, and are refused; set it "
            "earlier if the shop is older."
        )
    return tuple(warnings)


def _is_there(profile: Profile, column: str, headers: Collection[str]) -> bool:
    """Whether files have an input that a column is made of."""
    known = {folded(header) for header in headers}
    words = re.findall(r"\w+", profile.columns.get(column, ""))
    used = [entry for name, entry in profile.inputs.items() if name in words]
    return any(folded(header) in known for entry in used for header in entry.headers)


def _of_columns(con: duckdb.DuckDBPyConnection, lines: str, mapped: Sequence[str]) -> Iterator[str]:
    query = COUNTS.format(
        exponents=", ".join(EXPONENT.format(column=column) for column in IDS),
        constants=", ".join(f"min({column}) = max({column})" for column in COLUMNS),
        filled=", ".join(f"count({column})" for column in mapped) or "0",
        lines=lines,
    )
    count, *rest = _row(con, query)
    exponents, constants, filled = (
        rest[: len(IDS)],
        rest[len(IDS) : len(IDS) + len(COLUMNS)],
        rest[len(IDS) + len(COLUMNS) :],
    )
    for column, example in zip(IDS, exponents, strict=True):
        if example is not None:
            yield (
                f"{column} has values such as {example!r}: a spreadsheet has shortened long numbers, and different ids "
                "have become one. Export them again as text."
            )
    if count < FEWEST_LINES:
        return
    for column, is_constant in zip(COLUMNS, constants, strict=True):
        if is_constant:
            yield f"{column} is the same on all {count:,} lines; is it the input that you mean?"
    for column, number in zip(mapped, filled, strict=False):
        if not number:
            yield f"{column} is empty on all lines, though the profile has it; is it the input that you mean?"


def _of_customers(con: duckdb.DuckDBPyConnection, lines: str) -> Iterator[str]:
    (count,) = _row(con, f"SELECT count(*) FROM ({lines})")
    if not count:
        return
    values: dict[str, object] = {"nobody": NOBODY.replace("(", "[(]").replace(")", "[)]").replace("?", "[?]")}
    customer, line_count, is_nobody = _row(con, TOP_CUSTOMERS.format(lines=lines), values)
    if not is_nobody:
        customer, line_count, _ = _row(con, TOP_CUSTOMER.format(lines=lines), values)
    is_large = count >= MANY_LINES and line_count > LARGE_SHARE * count
    if is_large or (is_nobody and line_count > 1):
        yield (
            f"The customer {customer!r} has {line_count:,} of {count:,} lines ({line_count / count:.0%}). If that is "
            f'nobody, add `reader: {{nulls: ["{customer}"]}}` to the profile.'
        )
    for condition, alike, difference, remedy in FOLDS:
        pairs, one, other = _row(con, ALIKE.format(lines=lines, condition=condition, folded=alike))
        if pairs:
            yield (
                f"{pairs:,} customers have ids that differ {difference}, such as {one!r} and {other!r}; if they are "
                f"the same, use `customer_id: {remedy}`."
            )


def _row(con: duckdb.DuckDBPyConnection, query: str, values: dict[str, object] | None = None) -> tuple[Any, ...]:
    return con.execute(query, values or {}).fetchone() or ()
