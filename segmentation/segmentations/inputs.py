"""What conditions may look at: the columns of a customer as of a date, and the relation that has them.

Features, the model's segment, and predictions. Columns of one name come from the first of them that has it.
"""

from collections.abc import Collection, Mapping
from datetime import date

from segmentation.metadata.table import Table
from segmentation.metadata.tables import TABLES
from segmentation.metadata.tables.features import CUSTOMER_FEATURES
from segmentation.metadata.tables.segments import CUSTOMER_SEGMENTS, SEGMENTATION, SEGMENTATION_VERSION

PREDICTIONS_TABLE = "segments.customer_predictions"
"""The name of the table of predictions; conditions can't look at them in a release without it."""

KEYS = ("as_of", "customer_id")
OF_DEFINITIONS = (SEGMENTATION.name, SEGMENTATION_VERSION.name)


def predictions_table() -> Table | None:
    """The table of predictions, if this release has one."""
    return next((table for table in TABLES if table.name == PREDICTIONS_TABLE), None)


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


def reads_predictions(columns: Collection[str]) -> bool:
    """Whether any of some columns is a prediction."""
    return _reads(columns, predictions_table())


def input_relation(as_of: date, columns: Collection[str], model_rows: str) -> str:
    """The relation with some columns, a row per customer with features as of a date.

    Args:
        as_of: The date.
        columns: Those that are wanted, besides `customer_id`.
        model_rows: A relation with the model's segments of that date.
    """
    aliases = {CUSTOMER_FEATURES.name: "features", CUSTOMER_SEGMENTS.name: "model"}
    known, predictions = columns_by_table(), predictions_table()
    wanted = [name for name in sorted(columns) if name != "customer_id"]
    selected = ", ".join(
        ["features.customer_id", *(f"{aliases.get(known[name].name, 'predicted')}.{name}" for name in wanted)]
    )
    relation = f"(FROM {CUSTOMER_FEATURES.name} WHERE as_of = DATE '{as_of}') AS features"
    if _reads(wanted, CUSTOMER_SEGMENTS):
        relation += f" LEFT JOIN {model_rows} AS model ON model.customer_id = features.customer_id"
    if predictions is not None and reads_predictions(wanted):
        rows = f"(FROM {predictions.name} WHERE as_of = DATE '{as_of}')"
        relation += f" LEFT JOIN {rows} AS predicted ON predicted.customer_id = features.customer_id"
    return f"(SELECT {selected} FROM {relation})"


def _reads(columns: Collection[str], table: Table | None) -> bool:
    known = columns_by_table()
    return any(known[name] is table for name in columns if name in known)
