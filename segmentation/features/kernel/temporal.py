"""When a customer buys, on the shop's calendar."""

import math
from typing import Any

import numpy as np

from segmentation.features.kernel.calendar import DAY
from segmentation.features.kernel.jitable import jitable
from segmentation.features.kernel.numbers import MILLION, entropy, mean, sample_deviation, slope
from segmentation.features.kernel.records import Tally
from segmentation.features.kernel.tallies import add, clear, found, most_frequent


@jitable
def temporal(row: Any, orders: Any, as_of: int, months: Tally, seasons: Tally, weekdays: Tally, hours: Tally) -> None:
    """Fill in the features of this group.

    Args:
        row: The customer's.
        orders: Those of the window, by time; one at least.
        as_of: The end of the window.
        months: Memory to tally months in, since that of the first order.
        seasons: Memory to tally the months of the year in.
        weekdays: Memory to tally weekdays in.
        hours: Memory to tally hours in.
    """
    clear(months)
    clear(seasons)
    clear(weekdays)
    clear(hours)
    first_month, weekend_orders = orders[0].month, 0
    for order in orders:
        # Where clocks go back at the end of a month, the second order's can be the month before.
        add(months, order.month - first_month + 1, order.revenue)
        add(seasons, order.month % 12, order.revenue)
        add(weekdays, order.weekday, 0)
        add(hours, order.hour, 0)
        if order.weekday >= 6:
            weekend_orders += 1
    gaps = np.empty(len(orders) - 1, np.int64)
    for number in range(len(gaps)):
        gaps[number] = orders[number + 1].ordered_at - orders[number].ordered_at
    active = np.empty(len(found(months)), np.int64)
    spends = np.empty(len(found(months)), np.int64)
    for number, month in enumerate(found(months)):
        active[number] = month.key
        spends[number] = month.spend
    row.tenure_days = (as_of - orders[0].ordered_at) / float(DAY)
    row.mean_gap_days = mean(gaps) / DAY
    row.std_gap_days = sample_deviation(gaps) / DAY
    row.active_months = len(spends)
    row.monthly_spend_mean = mean(spends) / MILLION
    row.monthly_spend_std = sample_deviation(spends) / MILLION
    row.spend_trend = slope(active, spends) / MILLION
    row.preferred_weekday = most_frequent(weekdays)
    row.preferred_hour = most_frequent(hours)
    row.weekend_order_share = weekend_orders / float(len(orders))
    row.seasonality_index = 1.0 - entropy(seasons) / math.log(12.0)
