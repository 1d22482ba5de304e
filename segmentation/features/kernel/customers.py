"""Through customers and windows: rows of features from lines."""

from typing import Any

from segmentation.features.kernel.behaviour import behaviour
from segmentation.features.kernel.diversity import diversity
from segmentation.features.kernel.history import read_history
from segmentation.features.kernel.jitable import jitable
from segmentation.features.kernel.records import Clock, Lines, Work
from segmentation.features.kernel.rfm import rfm
from segmentation.features.kernel.temporal import temporal


@jitable
def fill_rows(lines: Lines, starts: Any, windows: Any, clock: Clock, work: Work, rows: Any) -> None:
    """Fill in the features of customers in some windows.

    Args:
        lines: Lines of the windows.
        starts: Where the lines of each customer start, and where the last one's end.
        windows: Of `WINDOW`.
        clock: The shop's.
        work: Memory.
        rows: Of `ROW`, window by window and in each customer by customer.
    """
    customers = len(starts) - 1
    for customer in range(customers):
        first, last = starts[customer], starts[customer + 1]
        order_count, return_count = read_history(lines, first, last, clock, work)
        for number, window in enumerate(windows):
            row = rows[number * customers + customer]
            orders, returns = work.orders[:order_count], work.returns[:return_count]
            if is_split(orders, window) or is_split(returns, window):
                fill_from_lines(row, lines, first, last, window, clock, work)
                order_count, return_count = read_history(lines, first, last, clock, work)
            else:
                fill_row(row, within(orders, window), within(returns, window), window, work)


@jitable
def is_split(documents: Any, window: Any) -> bool:
    """Whether one has lines on both sides of an edge of a window."""
    for document in documents:
        if document.ordered_at < window.start <= document.last_line_at:
            return True
        if document.ordered_at < window.as_of <= document.last_line_at:
            return True
    return False


@jitable
def fill_from_lines(row: Any, lines: Lines, first: int, last: int, window: Any, clock: Clock, work: Work) -> None:
    """One customer in one window, from its own lines alone."""
    while first < last and lines.ordered_at[first] < window.start:
        first += 1
    while last > first and lines.ordered_at[last - 1] >= window.as_of:
        last -= 1
    order_count, return_count = read_history(lines, first, last, clock, work)
    fill_row(row, work.orders[:order_count], work.returns[:return_count], window, work)


@jitable
def within(documents: Any, window: Any) -> Any:
    """Those of a window."""
    first, last = 0, len(documents)
    while first < last and documents[first].ordered_at < window.start:
        first += 1
    while last > first and documents[last - 1].ordered_at >= window.as_of:
        last -= 1
    return documents[first:last]


@jitable
def fill_row(row: Any, orders: Any, returns: Any, window: Any, work: Work) -> None:
    """One customer in one window; who ordered nothing in it is no customer of it."""
    row.is_customer = 1 if len(orders) > 0 else 0
    if len(orders) > 0:
        baskets = work.baskets[orders[0].first_basket : orders[-1].last_basket]
        rfm(row, orders, returns, window.as_of)
        diversity(row, orders, baskets, work.products, work.categories)
        temporal(row, orders, window.as_of, work.months, work.seasons, work.weekdays, work.hours)
        behaviour(row, orders, returns, window.home_market, work.countries, work.channels)
