"""From lines to tables of features by the kernel: one table a window, for any engine that has lines as Arrow."""

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from typing import Any

import numpy as np
import pyarrow as pa

from segmentation.errors import SegmentationError
from segmentation.features.kernel.memory import make_lines, make_scratch, make_work
from segmentation.features.kernel.records import COMPUTED, MISSING, NAME_COLUMNS, ROW, UNSET, WINDOW, Clock, Lines
from segmentation.features.kernels import Kernel
from segmentation.features.line_columns import LineColumns
from segmentation.features.moments import MICROSECOND, micros
from segmentation.features.windows import Window
from segmentation.shop_calendar import utc_offsets

COUNTRY = "country"


def shop_clock(kernel: Kernel, windows: Sequence[Window]) -> Clock:
    """The clock of the windows' zone, right within them."""
    changes = offsets_within(windows)
    return Clock(
        kernel.column(np.array([micros(moment) for moment, _ in changes], np.int64)),
        kernel.column(np.array([offset // MICROSECOND for _, offset in changes], np.int64)),
    )


def offsets_within(windows: Sequence[Window]) -> tuple[tuple[datetime, timedelta], ...]:
    """By how much the clocks of the windows' zone are ahead of UTC, from each change within them on."""
    since, until = min(window.starts_at for window in windows), max(window.ends_at for window in windows)
    return utc_offsets(windows[0].zone, since, until)


def compute_tables(
    kernel: Kernel, lines: LineColumns, windows: Sequence[Window], home_markets: Sequence[str | None], clock: Clock
) -> Iterator[pa.Table]:
    """The features of the customers in some lines.

    Args:
        kernel: Which kernel.
        lines: All lines that these customers have in the windows.
        windows: The windows.
        home_markets: The home market of each.
        clock: The shop's.

    Yields:
        Per window, the customers with a purchase in it by their ids: `customer_id`, and every feature that doesn't
        compare customers.

    Raises:
        SegmentationError: A customer's numbers are too large to be added exactly.
    """
    customer_count = len(lines.customers)
    kernel.memory.reuse()
    starts = kernel.memory.filled(customer_count + 1, 0)
    most = int(kernel.functions.count_lines(lines.runs, lines.line_count, starts))
    arranged = _arrange(kernel, lines, starts, most)
    span = max(micros(w.ends_at) for w in windows) - min(micros(w.starts_at) for w in windows)
    name_counts = {name: len(names) for name, names in lines.names.items()}
    work = make_work(kernel.memory, most, span, name_counts)
    rows = kernel.memory.records(ROW, len(windows) * customer_count)
    bounds = _windows(kernel, windows, home_markets, lines.names[COUNTRY].to_pylist())
    kernel.functions.fill_rows(arranged, starts, bounds, clock, work, rows)
    for number in range(len(windows)):
        yield _table(lines, rows[number * customer_count : (number + 1) * customer_count])


def _arrange(kernel: Kernel, lines: LineColumns, starts: Any, most: int) -> Lines:
    arranged = make_lines(kernel.memory, lines.line_count)
    scratch = make_scratch(kernel.memory, lines.line_count, len(lines.customers), most)
    refused = kernel.functions.arrange(lines.columns, lines.codes, lines.runs, starts, scratch, arranged)
    if refused != MISSING:
        raise SegmentationError(
            f"The money or the quantities of customer {lines.customers[refused].as_py()} add up to more than can be "
            "added exactly (9.2e12), or are no numbers: look for them in raw.transactions."
        )
    return arranged


def _windows(kernel: Kernel, windows: Sequence[Window], markets: Sequence[str | None], countries: list[str]) -> Any:
    """Windows as the kernel takes them; a home market that no line has gets a code that no line has."""
    codes = {country: code for code, country in enumerate(countries)}
    bounds = kernel.memory.records(WINDOW, len(windows))
    for bound, window, market in zip(bounds, windows, markets, strict=True):
        bound.start, bound.as_of = micros(window.starts_at), micros(window.ends_at)
        bound.home_market = MISSING if market is None else codes.get(market, len(countries))
    return bounds


def _table(lines: LineColumns, rows: Any) -> pa.Table:
    """Rows as Arrow: NULL for what is missing, names for their codes."""
    found = np.asarray([row.is_customer for row in rows]) if isinstance(rows, list) else rows["is_customer"]
    chosen = np.flatnonzero(found == 1)
    columns: dict[str, Any] = {"customer_id": lines.customers.take(pa.array(chosen))}
    for feature in COMPUTED:
        values = _values(rows, feature.name, chosen)
        if (values == UNSET).any():
            raise SegmentationError(
                f"The catalogue has the feature {feature.name}, and nothing in segmentation/features/kernel/ writes "
                f"`row.{feature.name}`: add its line there, as docs/features.md says, or remove its row."
            )
        if feature.type == "DOUBLE":
            columns[feature.name] = pa.array(values, pa.float64(), from_pandas=True)
        elif feature.type == "VARCHAR":
            names = lines.names[NAME_COLUMNS[feature.name]]
            columns[feature.name] = names.take(pa.array(values, mask=values == MISSING))
        elif feature.type == "BOOLEAN":
            columns[feature.name] = pa.array(values == 1, mask=values == MISSING)
        else:
            columns[feature.name] = pa.array(values)
    return pa.table(columns)


def _values(rows: Any, name: str, chosen: np.ndarray) -> np.ndarray:
    if isinstance(rows, list):
        return np.array([getattr(rows[number], name, UNSET) for number in chosen.tolist()], ROW[name])
    return np.asarray(rows[name][chosen])
