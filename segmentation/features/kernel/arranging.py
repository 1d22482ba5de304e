"""From columns as they are read, in any order, to a customer's lines side by side in order of time."""

from typing import Any, NamedTuple

import numpy as np

from segmentation.features.kernel.jitable import jitable
from segmentation.features.kernel.numbers import millionths
from segmentation.features.kernel.records import MISSING, Lines

LARGEST = 9.2e12
"""Sums of a customer's money or quantities below this are below 2^63 millionths."""


class Columns(NamedTuple):
    """Order lines by column, in any order.

    Attributes:
        order_id: A 64-bit hash; `product_id` as well.
        product_id: A 64-bit hash.
        category: Numbers the names of a column from 0, as `number_names` does; `country` and `channel` as well.
        country: Number.
        channel: Number.
        ordered_at: Microseconds since 1970 (UTC).
        quantity: Units.
        amount: Money.
        discount: Money.
    """

    order_id: Any
    product_id: Any
    category: Any
    country: Any
    channel: Any
    ordered_at: Any
    quantity: Any
    amount: Any
    discount: Any


class Codes(NamedTuple):
    """By the number of a name, its code; `MISSING` for what is no name."""

    categories: Any
    countries: Any
    channels: Any


class Runs(NamedTuple):
    """Stretches of lines of one customer.

    Attributes:
        firsts: The position of the first line of each, in order.
        customers: The customer of each, numbered from 0.
    """

    firsts: Any
    customers: Any


class Scratch(NamedTuple):
    """Memory for `arrange`.

    Attributes:
        positions: One element a line.
        places: One element a customer.
        table: A power of two, twice as many elements at least as any customer has lines.
        keys: As many elements as any customer has lines.
    """

    positions: Any
    places: Any
    table: Any
    keys: Any


@jitable
def count_lines(runs: Runs, line_count: int, starts: Any) -> int:
    """Fill in where each customer's lines will start, and after them where the last one's end.

    Args:
        runs: Of all lines.
        line_count: Of all customers.
        starts: One element more than customers, each 0.

    Returns:
        The most lines that a customer has.
    """
    for number in range(len(runs.firsts)):
        starts[runs.customers[number] + 1] += run_end(runs, number, line_count) - runs.firsts[number]
    most = 0
    for customer in range(len(starts) - 1):
        most = max(most, starts[customer + 1])
        starts[customer + 1] += starts[customer]
    return most


@jitable
def run_end(runs: Runs, number: int, line_count: int) -> int:
    """Where a run ends."""
    return runs.firsts[number + 1] if number + 1 < len(runs.firsts) else line_count


@jitable
def arrange(columns: Columns, codes: Codes, runs: Runs, starts: Any, scratch: Scratch, lines: Lines) -> int:
    """Fill in lines, customer by customer, each one's by time.

    Args:
        columns: The lines as they are read.
        codes: Of the names in them.
        runs: Of all lines.
        starts: By `count_lines`.
        scratch: Memory.
        lines: What to fill in; as long as the columns.

    Returns:
        The first customer whose numbers are none, or too large to be added exactly; `MISSING` if there is none.
    """
    fill_positions(runs, len(columns.order_id), starts, scratch)
    for customer in range(len(starts) - 1):
        first, last = starts[customer], starts[customer + 1]
        sort_by_time(scratch.positions, columns.ordered_at, first, last)
        size = copy_lines(columns, codes, scratch.positions, first, last, lines)
        if not size < LARGEST:
            return customer
        number_keys(columns.order_id, scratch, first, last, lines.order)
        number_keys(columns.product_id, scratch, first, last, lines.product)
    return MISSING


@jitable
def fill_positions(runs: Runs, line_count: int, starts: Any, scratch: Scratch) -> None:
    """Leave the positions of lines in `positions`, customer by customer."""
    for customer in range(len(starts) - 1):
        scratch.places[customer] = starts[customer]
    for number in range(len(runs.firsts)):
        customer = runs.customers[number]
        place = scratch.places[customer]
        for position in range(runs.firsts[number], run_end(runs, number, line_count)):
            scratch.positions[place] = position
            place += 1
        scratch.places[customer] = place


@jitable
def sort_by_time(positions: Any, ordered_at: Any, first: int, last: int) -> None:
    """Sort the positions of one customer's lines, unless they are sorted, as they are within a file of the lake."""
    for place in range(first + 1, last):
        if ordered_at[positions[place]] < ordered_at[positions[place - 1]]:
            times = np.empty(last - first, np.int64)
            unsorted = np.empty(last - first, np.int64)
            for number in range(last - first):
                times[number] = ordered_at[positions[first + number]]
                unsorted[number] = positions[first + number]
            for number, chosen in enumerate(np.argsort(times)):
                positions[first + number] = unsorted[chosen]
            break


@jitable
def copy_lines(columns: Columns, codes: Codes, positions: Any, first: int, last: int, lines: Lines) -> float:
    """Copy the lines of one customer.

    Returns:
        What quantities and money add up to, without their signs.
    """
    size = 0.0
    for place in range(first, last):
        size += abs(columns.quantity[positions[place]]) + abs(columns.amount[positions[place]])
        size += abs(columns.discount[positions[place]])
    if not size < LARGEST:
        return size
    for place in range(first, last):
        position = positions[place]
        lines.ordered_at[place] = columns.ordered_at[position]
        lines.quantity[place] = millionths(columns.quantity[position])
        lines.amount[place] = millionths(columns.amount[position])
        lines.discount[place] = millionths(columns.discount[position])
        lines.category[place] = codes.categories[columns.category[position]]
        lines.country[place] = codes.countries[columns.country[position]]
        lines.channel[place] = codes.channels[columns.channel[position]]
    return size


@jitable
def number_keys(keys: Any, scratch: Scratch, first: int, last: int, numbers: Any) -> None:
    """Number the distinct keys of one customer's lines from 0, in the order in which they come."""
    mask = table_size(last - first) - 1
    for place in range(mask + 1):
        scratch.table[place] = MISSING
    count = 0
    for place in range(first, last):
        key = keys[scratch.positions[place]]
        numbers[place], count = number_of(key, scratch.table, mask, scratch.keys, count)


@jitable
def number_of(key: int, table: Any, mask: int, keys: Any, count: int) -> tuple[int, int]:
    """The number of a key in an open hash table, to which it is added if it is new; and how many there are then."""
    place = key & mask
    while table[place] != MISSING and keys[table[place]] != key:
        place = (place + 1) & mask
    if table[place] == MISSING:
        table[place] = count
        keys[count] = key
        return count, count + 1
    return table[place], count


@jitable
def table_size(count: int) -> int:
    """A power of two, at most half of it taken."""
    size = 2
    while size < 2 * count:
        size *= 2
    return size


@jitable
def find_runs(offsets: Any, texts: Any) -> Any:
    """The positions at which another text begins than that of the line before.

    Args:
        offsets: Where the text of each line begins, and where the last one ends.
        texts: Bytes of UTF-8.
    """
    firsts = np.empty(len(offsets) - 1, np.int64)
    count = 0
    for position in range(len(offsets) - 1):
        if position == 0 or differs(offsets, texts, position):
            firsts[count] = position
            count += 1
    return firsts[:count].copy()


@jitable
def differs(offsets: Any, texts: Any, position: int) -> bool:
    """Whether a line has another text than the one before."""
    before, start, end = offsets[position - 1], offsets[position], offsets[position + 1]
    if end - start != start - before:
        return True
    for number in range(end - start):  # noqa: SIM110 (Numba has no generators of conditions)
        if texts[start + number] != texts[before + number]:
            return True
    return False


@jitable
def number_names(keys: Any) -> Any:
    """Number the distinct keys of a column from 0, in the order in which they come.

    Returns:
        The number of each line's key, and the distinct keys.
    """
    numbers = np.empty(len(keys), np.int32)
    size, count = 1024, 0
    table, distinct = np.full(size, MISSING, np.int32), np.empty(size // 2, np.int64)
    for position in range(len(keys)):
        numbers[position], count = number_of(keys[position], table, size - 1, distinct, count)
        if count == size // 2:
            size *= 2
            table, distinct = grown(distinct, size)
    return numbers, distinct[:count].copy()


@jitable
def grown(keys: Any, size: int) -> Any:
    """A table of a larger size with the same keys."""
    table, distinct = np.full(size, MISSING, np.int32), np.empty(size // 2, np.int64)
    count = 0
    for key in keys:
        _, count = number_of(key, table, size - 1, distinct, count)
    return table, distinct
