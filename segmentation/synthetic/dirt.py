"""Dirty lines: what real exports hold besides sales, and what the platform's rules refuse.

They are added to the shop's lines, never put in their place: what is accepted is the same shop with and without them.
"""

import numpy as np
import polars as pl

from segmentation.synthetic.streams import Streams

_NO_DATE = pl.datetime(1899, 12, 30, time_unit="us")
"""What spreadsheets make of an empty date."""

_DEFECTS: tuple[tuple[pl.Expr, ...], ...] = (
    (pl.lit(None, pl.String).alias("customer_id"),),
    (pl.lit(0.0).alias("quantity"), pl.lit(0.0).alias("amount")),
    (_NO_DATE.alias("ordered_at"),),
    (pl.lit(None, pl.Float64).alias("unit_price"), pl.lit(None, pl.Float64).alias("amount")),
    (-pl.col("unit_price"),),
)
"""No customer, no quantity, no date, no price, and a price below zero."""

_PLACE = "place"


def with_dirt(lines: pl.DataFrame, share: float, streams: Streams) -> pl.DataFrame:
    """Add dirty lines to the lines of a chunk.

    Each is a copy of a line, right behind it: a sixth of them as it is, hence doubled, the others with an id of their
    own and a defect.

    Args:
        lines: Columns of the transaction contract.
        share: Dirty lines per line, up to 1.
        streams: Of the chunk.
    """
    rng = streams.of("dirt")
    chosen = np.sort(rng.choice(lines.height, round(lines.height * share), replace=False))
    defect = rng.integers(0, len(_DEFECTS) + 1, chosen.size)
    numbered = lines.with_row_index(_PLACE)
    doubled = numbered[chosen[defect == len(_DEFECTS)]]
    defective = [
        numbered[chosen[defect == number]].with_columns(*changes, pl.col("line_id") + "-X")
        for number, changes in enumerate(_DEFECTS)
    ]
    everything: pl.DataFrame = pl.concat([numbered, doubled, *defective])
    return everything.sort(_PLACE, maintain_order=True).drop(_PLACE)
