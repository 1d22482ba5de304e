"""What happens between a snapshot and the next run: nothing, a day goes by, or lines come late.

That it happens, `changing` sees to, in a process of its own.
"""

from dataclasses import dataclass
from datetime import date, timedelta

from benchmarks.features.data import END

DAY = timedelta(days=1)

NEXT_DAY = f"""
SELECT * REPLACE (
    'next-' || line_id AS line_id, 'next-' || order_id AS order_id, ordered_at + INTERVAL 1 DAY AS ordered_at
)
FROM raw.transactions
WHERE ordered_at >= DATE '{END - DAY}'
"""
"""As many lines, by the same customers, as on the last day that the snapshot knows."""

LATE = f"""
SELECT * REPLACE (
    'late-' || line_id AS line_id, 'late-' || order_id AS order_id, ordered_at - INTERVAL 1 MINUTE AS ordered_at
)
FROM raw.transactions
WHERE temp.customer_bucket(customer_id, 20) = 7 AND ordered_at >= DATE '{END - 300 * DAY}'
QUALIFY ROW_NUMBER() OVER (PARTITION BY customer_id ORDER BY ordered_at DESC, line_id) = 1
"""
"""One more line of every twentieth customer, within any window of 301 days or more."""


@dataclass(frozen=True)
class Change:
    """What happens to a lake that has the snapshot of `END`, and which snapshot is asked for then.

    Attributes:
        name: What it is called.
        as_of: The snapshot that is asked for.
        arriving: SQL that gives the lines that arrive meanwhile; empty for none.
        most: The largest part of a snapshot from scratch that the next run may take.
    """

    name: str
    as_of: date
    arriving: str
    most: float


CHANGES = (
    Change("nothing changed", END, "", 0.05),
    Change("next day", END + DAY, NEXT_DAY, 0.15),
    Change("5 % late customers", END, LATE, 0.2),
)
BY_NAME = {change.name: change for change in CHANGES}
