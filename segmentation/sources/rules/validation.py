"""Which mapped lines are accepted, and why the others are not, as SQL.

A line is first judged alone, by the profile's rules and then the contract's. Those that may be duplicates, told by
their `line_key`, are compared with each other afterwards in `settling`; they are few.
"""

from collections.abc import Sequence

import duckdb

from segmentation.errors import SourceError
from segmentation.sources.profiles.contract import CLEANED_BY, GENERIC_RULES, PRODUCT_CLEANED_BY
from segmentation.sources.profiles.profile import Profile
from segmentation.sources.readers.files import Lines
from segmentation.sources.rules.mapping import filled, fingerprint, in_window, line_key, mapped, original_of
from segmentation.warehouse.sql import brief_error, literal

CREATE_JUDGED = """
CREATE OR REPLACE TEMP TABLE judged (
    file_id INTEGER, line_id VARCHAR, order_id VARCHAR, customer_id VARCHAR, product_id VARCHAR, category VARCHAR,
    quantity DOUBLE, unit_price DOUBLE, amount DOUBLE, discount DOUBLE, ordered_at TIMESTAMP, country VARCHAR,
    channel VARCHAR, customer_bucket INTEGER,
    remark STRUCT(
        reason VARCHAR, reason_if_repeated VARCHAR, fingerprint VARCHAR, has_own_id BOOLEAN, original VARCHAR
    )[]
)
"""
"""Lines as judged alone. A plainly accepted one has no `remark`, which costs it a list's few bytes only."""

NO_SUSPECTS = "CREATE OR REPLACE TEMP TABLE suspects (line_key UBIGINT)"

SUSPECTS = """
CREATE OR REPLACE TEMP TABLE suspects AS
SELECT line_key FROM ({line_keys}) GROUP BY line_key HAVING count(*) > 1
"""

LINE_KEYS = "SELECT {key} AS line_key FROM ({mapped}) WHERE {in_window}"

CATEGORISED = """
SELECT filled.* REPLACE (coalesce(filled.category, product_list.category) AS category)
FROM filled LEFT JOIN product_list ON filled.product_id = product_list.product_id
"""

JUDGE = """
INSERT INTO judged BY NAME
WITH mapped AS ({mapped}),
filled AS ({filled}),
categorised AS ({categorised}),
judged_first AS (
    SELECT *, {reason} AS reason
    FROM (
        SELECT *, {input} AS input, line_key IN (FROM suspects) AS is_suspect, false AS is_duplicate FROM categorised
    )
),
judged_again AS (
    SELECT *, CASE WHEN is_suspect THEN {reason} END AS reason_if_repeated
    FROM (SELECT * REPLACE (true AS is_duplicate) FROM judged_first)
)
SELECT file_id, {columns}, customer_bucket(customer_id, getvariable('customer_buckets')) AS customer_bucket,
    CASE WHEN is_suspect OR reason IS NOT NULL THEN [{{
        'reason': reason,
        'reason_if_repeated': reason_if_repeated,
        'fingerprint': CASE WHEN is_suspect THEN {fingerprint} END,
        'has_own_id': has_own_id,
        'original': {original}
    }}] END AS remark
FROM judged_again
"""

TRY_RULES = """
WITH mapped AS ({mapped}), filled AS ({filled})
SELECT {rules} FROM (SELECT *, {input} AS input, false AS is_duplicate FROM filled) LIMIT 0
"""


def find_duplicate_candidates(con: duckdb.DuckDBPyConnection, profile: Profile, groups: Sequence[Lines]) -> None:
    """Fill `suspects` with the keys that several lines of the window share."""
    columns = {name: sql for name, sql in profile.columns.items() if name in ("line_id", "ordered_at")}
    line_keys = " UNION ALL ".join(
        LINE_KEYS.format(
            key=line_key(profile, lines),
            mapped=mapped(columns, CLEANED_BY, lines),
            in_window=in_window("mapped_ordered_at"),
        )
        for lines in groups
    )
    con.execute(SUSPECTS.format(line_keys=line_keys))


def validate(
    con: duckdb.DuckDBPyConnection,
    profile: Profile,
    lines: Lines,
    *,
    has_product_list: bool,
    rules: Sequence[tuple[str, str]] = GENERIC_RULES,
) -> None:
    """Add the lines of the window to `judged`; needs `suspects`, and `product_list` if there is one.

    Args:
        con: Where the lines are.
        profile: How they are mapped; its own rules come first.
        lines: What to judge.
        has_product_list: Whether there is one.
        rules: Name and SQL condition of the rules that follow.
    """
    con.execute(
        JUDGE.format(
            mapped=mapped(profile.columns, CLEANED_BY, lines),
            filled=filled(profile, lines),
            categorised=CATEGORISED if has_product_list else "FROM filled",
            input=_input(lines),
            reason=_reason(profile, rules),
            columns=", ".join(CLEANED_BY),
            fingerprint=fingerprint(lines),
            original=original_of(lines),
        )
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
        filled=filled(profile, lines),
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
