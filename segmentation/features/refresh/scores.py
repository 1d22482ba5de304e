"""Scores: what compares the customers of a snapshot with each other, once the features of each are there.

Some were computed and lie in parts; those who were not touched are read from the base, aged.
"""

from dataclasses import dataclass

import duckdb

from segmentation.features.definitions import RFM_SCORES, rfm_scores
from segmentation.features.refresh.ageing import AGEING, aged
from segmentation.features.refresh.bases import Base
from segmentation.features.refresh.planning import Plan
from segmentation.features.windows import Window
from segmentation.metadata.features import FEATURES
from segmentation.metadata.tables.features import CUSTOMER_FEATURES
from segmentation.warehouse.sql import literal

SCORES = tuple(feature.name for feature in FEATURES if feature.compares_customers)

FEATURES_OF = f"FROM temp.measures JOIN temp.{RFM_SCORES} USING (customer_id)"

OWN = [name for name in CUSTOMER_FEATURES.column_names if name not in ("as_of", *SCORES)]

UNTOUCHED = f"""
SELECT {", ".join(f"{{{name}}} AS {name}" if name in AGEING else name for name in OWN)}
FROM (FROM {CUSTOMER_FEATURES.name} AT (VERSION => {{version}}) WHERE as_of = DATE '{{as_of}}')
{{but}}
"""


@dataclass(frozen=True)
class Scored:
    """A snapshot whose customers have been compared.

    Attributes:
        relation: What to select from to get all its columns but the date, on the connection that compared.
        scores: The same for `customer_id` and the scores alone, which is faster.
        customer_count: Its customers.
        computed_count: Of them, those in parts.
    """

    relation: str
    scores: str
    customer_count: int
    computed_count: int


def compare_customers(con: duckdb.DuckDBPyConnection, plan: Plan) -> Scored | None:
    """Compute the scores of a snapshot.

    Args:
        con: A cursor of the lake. It keeps what the result names until it compares the customers of the next snapshot.
        plan: The snapshot. Those who are to be computed are in the parts in its folder.

    Returns:
        None if it has no customers.
    """
    parts = _parts(plan)
    relations = [*([f"FROM {parts}"] if parts else []), *([_untouched(plan.base, plan)] if plan.base else [])]
    if not relations:
        return None
    con.execute(f"CREATE OR REPLACE TEMP VIEW measures AS {' UNION ALL BY NAME '.join(relations)}")
    scores = f"temp.{RFM_SCORES}"
    con.execute(f"CREATE OR REPLACE TEMP TABLE {RFM_SCORES} AS {rfm_scores()}")
    ((customers,),) = con.execute(f"SELECT COUNT(*) FROM {scores}").fetchall()
    ((computed,),) = con.execute(f"SELECT COUNT(*) FROM {parts}").fetchall() if parts else ((0,),)
    return Scored(f"({FEATURES_OF})", scores, customers, computed)


def _parts(plan: Plan) -> str | None:
    if not any(plan.folder.iterdir()):
        return None
    return f"read_parquet({literal(f'{plan.folder}/*.parquet')})"


def _untouched(base: Base, plan: Plan) -> str:
    """SQL of the customers of a base that were not touched, as of the date of a plan."""
    file = plan.touched.file
    but = f"ANTI JOIN read_parquet({literal(str(file))}) AS touched USING (customer_id)" if file else ""
    days = {name: _days(name, base.window, plan.window) for name in AGEING}
    return UNTOUCHED.format(version=base.version, as_of=base.window.as_of, but=but, **days)


def _days(name: str, earlier: Window, later: Window) -> str:
    return name if earlier == later else aged(name, earlier, later)
