"""What conditions may look at: the columns of a customer as of a date, and the relation that has them.

Features, the model's segment, and predictions. Columns of one name come from the first of them that has it.
"""

from collections.abc import Collection, Mapping
from datetime import date

from segmentation.metadata.table import Table
from segmentation.metadata.tables import TABLES
from segmentation.metadata.tables.features import CUSTOMER_FEATURES
from segmentation.metadata.tables.segments import CUSTOMER_SEGMENTS, SEGMENTATION, SEGMENTATION_VERSION

PREDICTIONS = "segments.customer_predictions"
"""The table of predictions; conditions can't look at them in a release without it."""

KEYS = ("as_of", "customer_id")
OF_DEFINITIONS = (SEGMENTATION.name, SEGMENTATION_VERSION.name)


def predictions_table(tables: Collection[Table] = TABLES) -> Table | None:
    """The table of predictions, if this release has one."""
    return next((table for table in tables if table.name == PREDICTIONS), None)


def columns_by_table() -> Mapping[str, Table]:
    """Each column that a condition may look at, and the table that it is read from; keys are those of features."""
    found: dict[str, Table] = {column.name: CUSTOMER_FEATURES for column in CUSTOMER_FEATURES.columns}
    for table in (CUSTOMER_SEGMENTS, predictions_table()):
        for column in table.columns if table else ():
            if column.name not in OF_DEFINITIONS:
                found.setdefault(column.name, table or CUSTOMER_FEATURES)
    return found


def empty_relation() -> str:
    """A relation without rows that has all columns in their types: what conditions are tried on."""
    types = {(table.name, c.name): c.type for table in set(columns_by_table().values()) for c in table.columns}
    columns = [f"CAST(NULL AS {types[table.name, name]}) AS {name}" for name, table in columns_by_table().items()]
    return f"(SELECT {', '.join(columns)} WHERE false)"


def reads_from(columns: Collection[str], table_name: str) -> bool:
    """Whether any of some columns is read from a table."""
    known = columns_by_table()
    return any(known[name].name == table_name for name in columns if name in known)


def input_relation(as_of: date, columns: Collection[str], model_rows: str) -> str:
    """The relation with some columns, a row per customer with features as of a date.

    Args:
        as_of: The date.
        columns: Those that are wanted, besides `customer_id`.
        model_rows: A relation with the model's segments of that date.
    """
    sources = {
        CUSTOMER_FEATURES.name: f"(FROM {CUSTOMER_FEATURES.name} WHERE as_of = DATE '{as_of}')",
        CUSTOMER_SEGMENTS.name: model_rows,
        PREDICTIONS: f"(FROM {PREDICTIONS} WHERE as_of = DATE '{as_of}')",
    }
    aliases = {CUSTOMER_FEATURES.name: "features", CUSTOMER_SEGMENTS.name: "model", PREDICTIONS: "predicted"}
    known = columns_by_table()
    wanted = [name for name in sorted(columns) if name != "customer_id"]
    selected = ", ".join(["features.customer_id", *(f"{aliases[known[name].name]}.{name}" for name in wanted)])
    joins = [
        f"LEFT JOIN {relation} AS {aliases[name]} ON {aliases[name]}.customer_id = features.customer_id"
        for name, relation in sources.items()
        if name != CUSTOMER_FEATURES.name and reads_from(wanted, name)
    ]
    return f"(SELECT {selected} FROM {sources[CUSTOMER_FEATURES.name]} AS features {' '.join(joins)})"
