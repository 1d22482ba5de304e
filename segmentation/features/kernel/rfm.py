"""Recency, frequency and monetary value, without the scores, which need everybody."""

from typing import Any

import numpy as np

from segmentation.features.kernel.calendar import DAY
from segmentation.features.kernel.jitable import jitable
from segmentation.features.kernel.numbers import MILLION


@jitable
def rfm(row: Any, orders: Any, returns: Any, as_of: int) -> None:
    """Fill in the features of this group.

    Args:
        row: The customer's.
        orders: Those of the window, by time; one at least.
        returns: Those of the window.
        as_of: The end of the window.
    """
    revenue = revenue_30d = revenue_90d = revenue_365d = 0
    orders_30d = orders_90d = orders_365d = 0
    spends = np.empty(len(orders), np.int64)
    for number, order in enumerate(orders):
        spend, age = order.revenue, as_of - order.ordered_at
        spends[number] = spend
        revenue += spend
        if age <= 365 * DAY:
            orders_365d += 1
            revenue_365d += spend
            if age <= 90 * DAY:
                orders_90d += 1
                revenue_90d += spend
                if age <= 30 * DAY:
                    orders_30d += 1
                    revenue_30d += spend
    returned = 0
    for back in returns:
        returned += back.returned_revenue
    spends.sort()
    row.recency_days = (as_of - orders[-1].ordered_at) / float(DAY)
    row.order_count = len(orders)
    row.gross_revenue = revenue / MILLION
    row.returned_revenue = returned / MILLION
    row.net_revenue = (revenue - returned) / MILLION
    row.average_order_value = row.gross_revenue / len(orders)
    row.median_order_value = (spends[(len(orders) - 1) // 2] + spends[len(orders) // 2]) / (2 * MILLION)
    row.max_order_value = spends[-1] / MILLION
    row.orders_30d = orders_30d
    row.orders_90d = orders_90d
    row.orders_365d = orders_365d
    row.revenue_30d = revenue_30d / MILLION
    row.revenue_90d = revenue_90d / MILLION
    row.revenue_365d = revenue_365d / MILLION
