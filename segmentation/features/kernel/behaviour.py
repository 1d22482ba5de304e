"""How a customer behaves around the purchase."""

from typing import Any

from segmentation.features.kernel.jitable import jitable
from segmentation.features.kernel.numbers import MILLION, share
from segmentation.features.kernel.records import MISSING, Tally
from segmentation.features.kernel.tallies import add, clear, found, most_frequent


@jitable
def behaviour(row: Any, orders: Any, returns: Any, home_market: int, countries: Tally, channels: Tally) -> None:
    """Fill in the features of this group, after those of `rfm`.

    Args:
        row: The customer's.
        orders: Those of the window; one at least.
        returns: Those of the window.
        home_market: Code of the shop's home market, or `MISSING`.
        countries: Memory to tally countries in.
        channels: Memory to tally channels in.
    """
    clear(countries)
    clear(channels)
    units, discount, return_count = 0, 0, 0
    for order in orders:
        units += order.units
        discount += order.discount
        if order.country != MISSING:
            add(countries, order.country, 0)
        if order.channel != MISSING:
            add(channels, order.channel, 0)
    for back in returns:
        return_count += back.has_goods
    home_country = most_frequent(countries)
    row.units_purchased = units / MILLION
    row.average_basket_units = row.units_purchased / len(orders)
    row.return_count = return_count
    row.return_rate = share(row.returned_revenue, row.gross_revenue)
    row.discount_share = share(discount / MILLION, discount / MILLION + row.gross_revenue)
    row.home_country = home_country
    row.is_home_market = MISSING
    if home_country != MISSING and home_market != MISSING:
        row.is_home_market = 1 if home_country == home_market else 0
    row.distinct_channels = len(found(channels))
    row.is_one_time_buyer = 1 if len(orders) == 1 else 0
