"""Validation: which mapped lines are accepted, and why the others are not, as SQL.

A line is first validated alone, by the profile's rules and then the contract's. Those that may be duplicates, told by
their `line_key`, are compared with each other afterwards in `deduplication`; they are few.
"""

from collections.abc import Sequence

import duckdb

from segmentation.errors import SourceError
from segmentation.sources.profiles.contract import CLEANED_BY, CONTRACT_COLUMNS, PRODUCT_CLEANED_BY
from segmentation.sources.profiles.profile import Profile
from segmentation.sources.readers.files import Lines
from segmentation.sources.rules.currency import Exchange
from segmentation.sources.rules.mapping import ALL_TIME, LoadWindow, filled, fingerprint, line_key, mapped, original_of
from segmentation.warehouse.sql import brief_error, literal

COLUMNS = """
    file_id INTEGER, line_id VARCHAR, order_id VARCHAR, customer_id VARCHAR, product_id VARCHAR, category VARCHAR,
    quantity DOUBLE, unit_price DOUBLE, amount DOUBLE, discount DOUBLE, ordered_at TIMESTAMP, country VARCHAR,
    channel VARCHAR, currency VARCHAR, exchange_rate DOUBLE, customer_bucket INTEGER,
    remark STRUCT(
        reason VARCHAR, reason_if_repeated VARCHAR, fingerprint VARCHAR, has_own_id BOOLEAN, original VARCHAR
    )[]
"""
"""Of validated lines. A plainly accepted one has no `remark`, which costs it a list's few bytes only."""

REPEATED_KEYS = "SELECT line_key FROM ({line_keys}) GROUP BY line_key HAVING count(*) > 1"

LINE_KEYS = "SELECT {key} AS line_key FROM ({mapped}) WHERE {in_window}"

CATEGORISED = """
SELECT filled.* REPLACE (coalesce(filled.category, product_list.category) AS category)
FROM filled LEFT JOIN {product_list} AS product_list ON filled.product_id = product_list.product_id
"""

VALIDATED = """
WITH mapped AS ({mapped}),
filled AS ({filled}),
categorised AS ({categorised}),
first_time AS (
    SELECT *, {reason} AS reason
    FROM (
        SELECT *, {input} AS input, line_key IN (FROM {candidates}) AS is_candidate, false AS is_duplicate
        FROM categorised
    )
),
if_repeated AS (
    SELECT *, CASE WHEN is_candidate THEN {reason} END AS reason_if_repeated
    FROM (SELECT * REPLACE (true AS is_duplicate) FROM first_time)
)
SELECT file_id, {columns}, customer_bucket(customer_id, {buckets}) AS customer_bucket,
    CASE WHEN is_candidate OR reason IS NOT NULL THEN [{{
        'reason': reason,
        'reason_if_repeated': reason_if_repeated,
        'fingerprint': CASE WHEN is_candidate THEN {fingerprint} END,
        'has_own_id': has_own_id,
        'original': {original}
    }}] END AS remark
FROM if_repeated
"""

BROKEN_RULES = """
WITH mapped AS ({mapped}), filled AS ({filled})
SELECT file_id, concat_ws(' ', {broken}) AS broken, {columns} FROM filled
"""

TRY_RULES = """
WITH mapped AS ({mapped}), filled AS ({filled})
SELECT {rules} FROM (SELECT *, {input} AS input, false AS is_duplicate FROM filled) LIMIT 0
"""


def repeated_keys(profile: Profile, groups: Sequence[Lines], window: LoadWindow) -> str:
    """SQL of the keys that several lines of the window share: their lines may be duplicates of each other."""
    columns = {name: sql for name, sql in profile.columns.items() if name in ("line_id", "ordered_at")}
    line_keys = " UNION ALL ".join(
        LINE_KEYS.format(
            key=line_key(profile, lines),
            mapped=mapped(columns, CLEANED_BY, lines),
            in_window=window.contains("mapped_ordered_at"),
        )
        for lines in groups
    )
    return REPEATED_KEYS.format(line_keys=line_keys)


def validated(
    profile: Profile,
    source: str,
    lines: Lines,
    window: LoadWindow,
    *,
    candidates: str,
    product_list: str | None,
    buckets: int,
    rules: Sequence[tuple[str, str]],
    exchange: Exchange | None = None,
) -> str:
    """SQL of the lines of the window with what is to be said about each: `COLUMNS`.

    Args:
        profile: How they are mapped; its own rules come first.
        source: Name of their source.
        lines: What to validate.
        window: Lines of other times are left out.
        candidates: Relation of the keys of lines that may be duplicates.
        product_list: Relation of the source's products, which gives lines their category; None if there is none.
        buckets: How many customer buckets the lake has.
        rules: Name and SQL condition of the rules that follow.
        exchange: How money is brought to one currency; None: not at all.
    """
    return VALIDATED.format(
        mapped=mapped(profile.columns, CLEANED_BY, lines),
        filled=filled(profile, source, lines, window, exchange),
        categorised=CATEGORISED.format(product_list=product_list) if product_list else "FROM filled",
        input=_input(lines),
        candidates=candidates,
        reason=_reason(profile, rules),
        columns=", ".join(CONTRACT_COLUMNS),
        buckets=buckets,
        fingerprint=fingerprint(source, lines),
        original=original_of(lines),
    )


def broken_rules(
    profile: Profile,
    lines: Lines,
    columns: Sequence[str],
    rules: Sequence[tuple[str, str]],
    exchange: Exchange | None = None,
) -> str:
    """SQL of `file_id`, `broken` and columns of all lines; `broken` names all rules that a line breaks, in one text."""
    return BROKEN_RULES.format(
        mapped=mapped(profile.columns, CLEANED_BY, lines),
        filled=filled(profile, profile.name, lines, ALL_TIME, exchange),
        columns=", ".join(columns),
        broken=", ".join(f"CASE WHEN {_condition(sql)} THEN {literal(name)} END" for name, sql in rules),
    )


def check_profile(con: duckdb.DuckDBPyConnection, profile: Profile, lines: Lines) -> None:
    """Try a profile's expressions on the inputs' types, without reading lines.

    Raises:
        SourceError: One names what isn't there, or doesn't fit the types; the message says which.
    """
    try:
        con.execute(_trial(profile, lines, [rule.reject for rule in profile.rules]))
        con.execute(f"{mapped(_product_name(profile), PRODUCT_CLEANED_BY, lines)} LIMIT 0")
    except duckdb.Error as error:
        _blame(con, profile, lines)
        raise SourceError(f"The profile {profile.name} can't be used: {brief_error(error)}") from error


def _blame(con: duckdb.DuckDBPyConnection, profile: Profile, lines: Lines) -> None:
    trials = {
        f"columns.{name}": f"{mapped({name: sql}, CLEANED_BY, lines)} LIMIT 0" for name, sql in profile.columns.items()
    }
    trials["product_name"] = f"{mapped(_product_name(profile), PRODUCT_CLEANED_BY, lines)} LIMIT 0"
    trials |= {f"rules.{rule.name}": _trial(profile, lines, [rule.reject]) for rule in profile.rules}
    for place, sql in trials.items():
        try:
            con.execute(sql)
        except duckdb.Error as error:
            raise SourceError(
                f"The profile {profile.name} has a faulty expression in {place}: {brief_error(error)} It may use the "
                f"inputs {', '.join(lines.types)}; a rule has them as input.… beside the contract's columns and "
                "is_duplicate."
            ) from error


def _trial(profile: Profile, lines: Lines, rules: Sequence[str]) -> str:
    return TRY_RULES.format(
        mapped=mapped(profile.columns, CLEANED_BY, lines),
        filled=filled(profile, profile.name, lines, ALL_TIME),
        input=_input(lines),
        rules=", ".join(_condition(rule) for rule in rules) or "true",
    )


def _product_name(profile: Profile) -> dict[str, str]:
    return {"product_name": profile.product_name or "NULL"}


def _reason(profile: Profile, rules: Sequence[tuple[str, str]]) -> str:
    all_rules = [(rule.name, rule.reject) for rule in profile.rules] + list(rules)
    cases = " ".join(f"WHEN {_condition(sql)} THEN {literal(name)}" for name, sql in all_rules)
    return f"CASE {cases} END"


def _input(lines: Lines) -> str:
    return "{" + ", ".join(f"{literal(name)}: in_{name}" for name in lines.types) + "}"


def _condition(sql: str) -> str:
    return f"CAST(({sql}\n) AS BOOLEAN)"
