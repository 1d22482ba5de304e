"""A source is a relation: what is asked of files and rules where lines are put together from several records.

Nothing is executed here; that is `staging`.
"""

from collections.abc import Mapping, Sequence

from segmentation.sources.profiles.contract import (
    NO_LINES,
    REFUSED_AS,
    REPEATED_IN_OTHER_FILE,
    UNMATCHED,
    UNMATCHED_ROW,
)
from segmentation.sources.profiles.profile import Carry, Input, Inputs, JoinedTable, Profile
from segmentation.sources.readers.files import Lines
from segmentation.warehouse.sql import identifier, literal

# The nearest value above within the order, else the nearest below.
CARRIED = """
coalesce(
    {value},
    last_value({value} IGNORE NULLS) OVER (carried ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW),
    first_value({value} IGNORE NULLS) OVER (carried ROWS BETWEEN CURRENT ROW AND UNBOUNDED FOLLOWING)
)
"""

# From above only: what is below belongs to the next one.
CARRIED_DOWN = "last_value({value} IGNORE NULLS) OVER (carried ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW)"

FILLED_IN = """
SELECT * REPLACE ({columns})
FROM {relation}
WINDOW carried AS (PARTITION BY file_id{order} ORDER BY _row_at)
"""

# A line that names no order is one of its own.
OF_ORDER = ", clean_id({by}), CASE WHEN clean_id({by}) IS NULL THEN _row_at END"

# Rows that are alike count as often as the file that has them most often, as lines do. Files are numbered by path.
TABLE_ROWS = """
SELECT *, row_number() OVER (PARTITION BY {inputs}, _occurrence ORDER BY file_id) > 1 AS _is_repeat
FROM (
    SELECT *, {keys}, row_number() OVER (PARTITION BY file_id, {inputs} ORDER BY _row_at) AS _occurrence
    FROM ({rows})
)
"""

REPEATED_KEY = """
SELECT {keys}, count(*)
FROM (SELECT DISTINCT {columns} FROM {rows} WHERE {is_known})
GROUP BY {keys}
HAVING count(*) > 1
ORDER BY ALL
LIMIT 1
"""

ONE_PER_KEY = "SELECT {keys}, {values} FROM {rows} WHERE {is_known} AND NOT _is_repeat GROUP BY {keys}"

# A text of numbers or dates is compared as such; what of it can't be read leaves nothing, rather than a wrong sum.
COMBINED = {
    "sum": "CASE WHEN count(clean_text({x})) = count(as_number({x})) "
    "THEN list_sum(list(as_number({x}) ORDER BY as_number({x})) FILTER (as_number({x}) IS NOT NULL)) END",
    "min": "CASE WHEN count(clean_text({x})) = count(as_number({x})) THEN arg_min({x}, as_number({x})) "
    "WHEN count(clean_text({x})) = count(utc({x})) THEN arg_min({x}, utc({x})) ELSE min({x}) END",
    "max": "CASE WHEN count(clean_text({x})) = count(as_number({x})) THEN arg_max({x}, as_number({x})) "
    "WHEN count(clean_text({x})) = count(utc({x})) THEN arg_max({x}, utc({x})) ELSE max({x}) END",
    "first": "first({x} ORDER BY file_id, _row_at) FILTER (clean_text({x}) IS NOT NULL)",
    "last": "last({x} ORDER BY file_id, _row_at) FILTER (clean_text({x}) IS NOT NULL)",
    "count": "count(clean_text({x}))",
    "list": "list({x} ORDER BY file_id, _row_at) FILTER (clean_text({x}) IS NOT NULL)",
}

JOINED = "SELECT {columns} FROM {lines} AS line {joins}"

REFUSED_ROWS = """
SELECT file_id, _reason AS reason, CAST(json_object({original}) AS VARCHAR) AS original
FROM (
    SELECT *, CASE
        WHEN _is_repeat THEN '{repeated}' WHEN used._key_0 IS NULL THEN '{unmatched}'
    END AS _reason
    FROM {rows} AS entry LEFT JOIN (SELECT DISTINCT {used_keys} FROM ({used})) AS used ON {same_keys}
)
WHERE _reason IS NOT NULL
"""


def inputs_of(profile: Profile) -> Inputs:
    """The inputs of a profile, and where lines may not come together, why they don't."""
    if profile.reader.each is None:
        return profile.inputs
    return profile.inputs | {REFUSED_AS: Input(headers=(REFUSED_AS,), optional=True)}


def refusals(profile: Profile) -> list[tuple[str, str]]:
    """Name and SQL condition of the rules that refuse what has not come together, after the profile's own."""
    reasons = [NO_LINES] if profile.reader.each is not None else []
    reasons += [UNMATCHED.format(table=name) for name, table in profile.tables.items() if _is_required(table)]
    return [(reason, f"input.{REFUSED_AS} = '{reason}'") for reason in reasons]


def filled_in(carry: Carry, lines: Lines) -> str:
    """SQL of lines, which have their `_row_at`, with what other lines of their order in the file say."""
    values = {
        name: f"CASE WHEN clean_text({identifier(name)}) IS NOT NULL THEN {identifier(name)} END"
        for name in carry.inputs
    }
    form = CARRIED if carry.by else CARRIED_DOWN
    return FILLED_IN.format(
        columns=", ".join(f"{form.format(value=sql)} AS {identifier(name)}" for name, sql in values.items()),
        relation=lines.relation,
        order=OF_ORDER.format(by=identifier(carry.by)) if carry.by else "",
    )


def table_rows(table: JoinedTable, groups: Sequence[Lines]) -> str:
    """SQL of a table's rows: the inputs, `file_id`, `_row_at`, its keys, and whether another file has them, too."""
    names = ", ".join(identifier(name) for name in table.inputs)
    nothing = ", ".join(f"CAST(NULL AS VARCHAR) AS {identifier(name)}" for name in table.inputs)
    selects = [f"SELECT file_id, _row_at, {names} FROM {lines.relation}" for lines in groups]
    empty = f"SELECT CAST(NULL AS INTEGER) AS file_id, CAST(NULL AS BIGINT) AS _row_at, {nothing} LIMIT 0"
    keys = ", ".join(f"clean_id({identifier(name)}) AS _key_{number}" for number, name in enumerate(table.key))
    return TABLE_ROWS.format(inputs=names, keys=keys, rows=" UNION ALL BY NAME ".join(selects) or empty)


def repeated_key(table: JoinedTable, rows: str) -> str:
    """SQL of a key that a table has several times, and how many different rows."""
    others = [identifier(name) for name in table.inputs if name not in table.key]
    columns = ", ".join([_keys(table), *others])
    return REPEATED_KEY.format(keys=_keys(table), columns=columns, rows=rows, is_known=_is_known(table))


def one_per_key(table: JoinedTable, rows: str) -> str:
    """SQL of a table with one row per key."""
    values = ", ".join(
        f"{COMBINED.get(entry.combine or '', 'any_value({x})').format(x=identifier(name))} AS {identifier(name)}"
        for name, entry in table.inputs.items()
    )
    return ONE_PER_KEY.format(keys=_keys(table), values=values, rows=rows, is_known=_is_known(table))


def joined(profile: Profile, lines: Lines, tables: Mapping[str, Lines]) -> str:
    """SQL of lines with the inputs of tables that have one row per key, and why they can't be joined."""
    places = {name: f"line.{identifier(name)}" for name in lines.types}
    own = profile.line_inputs
    columns = [f"{places.get(name, 'CAST(NULL AS VARCHAR)')} AS {identifier(name)}" for name in own]
    reasons, joins = [places[REFUSED_AS]] if REFUSED_AS in places else [], []
    for number, (name, one) in enumerate(tables.items()):
        table, alias = profile.tables[name], f"joined_{number}"
        same = " AND ".join(
            f"{alias}._key_{n} = clean_id({places.get(other, 'CAST(NULL AS VARCHAR)')})"
            for n, other in enumerate(table.key.values())
        )
        joins.append(f"LEFT JOIN {one.relation} AS {alias} ON {same}")
        places |= {each: f"{alias}.{identifier(each)}" for each in table.inputs}
        columns += [f"{places[each]} AS {identifier(each)}" for each in table.inputs]
        if _is_required(table):
            reasons.append(f"CASE WHEN {alias}._key_0 IS NULL THEN '{UNMATCHED.format(table=name)}' END")
    refused = f"coalesce({', '.join(reasons)})" if reasons else "CAST(NULL AS VARCHAR)"
    selected = ", ".join(["line.file_id", *columns, f"{refused} AS {REFUSED_AS}"])
    return JOINED.format(columns=selected, lines=lines.relation, joins=" ".join(joins))


def refused_rows(table: JoinedTable, rows: Lines, groups: Sequence[Lines]) -> str:
    """SQL of the rows of a table that no line is joined with, or that another file has, too: `reason`, `original`."""
    keys = ", ".join(
        f"clean_id({identifier(other)}) AS _key_{number}" for number, other in enumerate(table.key.values())
    )
    nothing = "SELECT " + ", ".join(f"NULL AS _key_{number}" for number in range(len(table.key)))
    pairs = (f"{literal(rows.headers[name] or name)}, {identifier(name)}" for name in table.inputs)
    return REFUSED_ROWS.format(
        original=", ".join(pairs),
        repeated=REPEATED_IN_OTHER_FILE,
        unmatched=UNMATCHED_ROW,
        rows=rows.relation,
        used_keys=_keys(table),
        used=" UNION ALL ".join(f"SELECT {keys} FROM {lines.relation}" for lines in groups) or nothing,
        same_keys=" AND ".join(f"entry._key_{number} = used._key_{number}" for number in range(len(table.key))),
    )


def _keys(table: JoinedTable) -> str:
    return ", ".join(f"_key_{number}" for number in range(len(table.key)))


def _is_known(table: JoinedTable) -> str:
    return " AND ".join(f"_key_{number} IS NOT NULL" for number in range(len(table.key)))


def _is_required(table: JoinedTable) -> bool:
    return not (table.optional or table.lines)
