"""From a customer's lines to orders, returns and baskets: what does not depend on a date."""

from typing import Any

from segmentation.features.kernel.calendar import set_calendar
from segmentation.features.kernel.jitable import jitable
from segmentation.features.kernel.records import MISSING, Clock, Lines, Work


@jitable
def read_history(lines: Lines, first: int, last: int, clock: Clock, work: Work) -> tuple[int, int]:
    """Fill `work` with the orders, returns and baskets of `lines[first:last]`.

    Lines come in order of time, so that orders and returns do, too.

    Returns:
        How many orders and how many returns there are.
    """
    for position in range(first, last):
        work.order_of[lines.order[position]] = MISSING
        work.return_of[lines.order[position]] = MISSING
    order_count, return_count = 0, 0
    for position in range(first, last):
        quantity, number = lines.quantity[position], lines.order[position]
        if quantity > 0:
            if work.order_of[number] == MISSING:
                work.order_of[number] = order_count
                begin_order(work.orders[order_count], lines, position, clock)
                order_count += 1
            else:
                add_to_order(work.orders[work.order_of[number]], lines, position)
        elif quantity < 0 or lines.amount[position] < 0:
            if work.return_of[number] == MISSING:
                work.return_of[number] = return_count
                begin_return(work.returns[return_count], lines.ordered_at[position])
                return_count += 1
            add_to_return(work.returns[work.return_of[number]], lines, position)
    fill_baskets(lines, first, last, work.orders[:order_count], work)
    return order_count, return_count


@jitable
def begin_order(order: Any, lines: Lines, position: int, clock: Clock) -> None:
    """An order by its earliest line."""
    order.ordered_at = lines.ordered_at[position]
    order.last_line_at = lines.ordered_at[position]
    order.revenue = lines.amount[position]
    order.discount = lines.discount[position]
    order.units = lines.quantity[position]
    order.country = lines.country[position]
    order.channel = lines.channel[position]
    order.line_count = 1
    set_calendar(order, clock)


@jitable
def add_to_order(order: Any, lines: Lines, position: int) -> None:
    """Where lines disagree, the first country and the first channel by name count."""
    order.last_line_at = lines.ordered_at[position]
    order.revenue += lines.amount[position]
    order.discount += lines.discount[position]
    order.units += lines.quantity[position]
    order.country = first_known(order.country, lines.country[position])
    order.channel = first_known(order.channel, lines.channel[position])
    order.line_count += 1


@jitable
def begin_return(back: Any, moment: int) -> None:
    """A return without anything in it yet."""
    back.ordered_at = moment
    back.returned_revenue = 0
    back.has_goods = 0


@jitable
def add_to_return(back: Any, lines: Lines, position: int) -> None:
    """Add goods that came back, or a refund of money alone."""
    back.last_line_at = lines.ordered_at[position]
    back.returned_revenue -= lines.amount[position]
    if lines.quantity[position] < 0:
        back.has_goods = 1


@jitable
def first_known(one: int, other: int) -> int:
    """The smaller of two codes, where one may be missing."""
    if one == MISSING:
        return other
    if other == MISSING or one < other:
        return one
    return other


@jitable
def fill_baskets(lines: Lines, first: int, last: int, orders: Any, work: Work) -> None:
    """Fill in the products in each order, order by order; where lines of one disagree, the first category counts."""
    arrange_by_order(lines, first, last, orders, work)
    for position in range(first, last):
        work.latest_basket[lines.product[position]] = MISSING
    count = 0
    for order in orders:
        start, end = order.first_basket, order.last_basket
        order.first_basket = count
        for place in range(start, end):
            position = work.arranged[place]
            product = lines.product[position]
            latest = work.latest_basket[product]
            if latest < order.first_basket:
                work.latest_basket[product] = count
                basket = work.baskets[count]
                basket.product = product
                basket.category = lines.category[position]
                basket.revenue = lines.amount[position]
                count += 1
            else:
                basket = work.baskets[latest]
                basket.category = first_known(basket.category, lines.category[position])
                basket.revenue += lines.amount[position]
        order.last_basket = count


@jitable
def arrange_by_order(lines: Lines, first: int, last: int, orders: Any, work: Work) -> None:
    """Leave the positions of purchase lines in `arranged`, each order's between its `first_` and `last_basket`."""
    place = 0
    for order in orders:
        order.first_basket = place
        order.last_basket = place
        place += order.line_count
    for position in range(first, last):
        if lines.quantity[position] > 0:
            order = orders[work.order_of[lines.order[position]]]
            work.arranged[order.last_basket] = position
            order.last_basket += 1
