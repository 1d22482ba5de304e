"""What is said of a segment beside its name: its typical customer, and what to do with them. From figures alone."""

from collections.abc import Mapping
from dataclasses import dataclass

import duckdb

from segmentation.metadata.vocabulary import BY_LABEL
from segmentation.modeling.segment_identity.truth import Shares

FIGURES = """
SELECT
    segment_id,
    MEDIAN(order_count),
    MEDIAN(average_order_value),
    MEDIAN(recency_days),
    MEDIAN(expected_gap_days),
    MEDIAN(net_revenue),
    MEDIAN(return_rate),
    MEDIAN(discount_share)
FROM temp.measured
GROUP BY GROUPING SETS ((segment_id), ())
ORDER BY segment_id NULLS FIRST
"""

SAID_FROM = 0.02
"""A share of returns or discounts below this isn't told."""


@dataclass(frozen=True)
class Typical:
    """Medians of a group of customers.

    Attributes:
        orders: Orders.
        order_value: Average order value.
        recency_days: Days since the last order.
        gap_days: Days after which the next order is due; None where the shop has no usual gap.
        net_revenue: Net revenue.
        return_rate: Share of revenue returned.
        discount_share: Share of the price given away.
    """

    orders: float
    order_value: float
    recency_days: float
    gap_days: float | None
    net_revenue: float
    return_rate: float
    discount_share: float


Figures = Mapping[int | None, Typical]
"""By segment id; None is everybody."""


def read_figures(con: duckdb.DuckDBPyConnection) -> dict[int | None, Typical]:
    """The typical customer of each segment, and of all, that `truth.prepare` has measured on a connection."""
    found: dict[int | None, Typical] = {}
    for segment_id, orders, value, recency, gap, revenue, returned, discount in con.execute(FIGURES).fetchall():
        known = (orders or 0.0, value or 0.0, recency or 0.0)
        found[segment_id] = Typical(*known, gap, revenue or 0.0, returned or 0.0, discount or 0.0)
    return found


def describe(figures: Figures, segment_id: int) -> str:
    """The typical customer of a segment, in a sentence."""
    typical = figures.get(segment_id)
    if typical is None:
        return "Has no customers."
    gap = f", where one is due every {_days(typical.gap_days)}" if typical.gap_days is not None else ""
    parts = [
        f"Typically {_counted(typical.orders, 'order')} of {_amount(typical.order_value)}",
        f"the last one {_days(typical.recency_days)} ago{gap}",
    ]
    extras = [
        f"{share:.0%} {what}"
        for share, what in ((typical.return_rate, "of it returned"), (typical.discount_share, "discount"))
        if share >= SAID_FROM
    ]
    revenue = f"{_amount(typical.net_revenue)} net revenue each{_against(typical, figures[None])}"
    return f"{', '.join(parts)}; {', '.join([revenue, *extras])}."


def advise(figures: Figures, held: Shares, segment_id: int) -> str:
    """What to do with the customers of a segment, in a sentence, from what is true of most of them."""
    typical = figures.get(segment_id)
    if typical is None:
        return "Nothing to do: nobody is here."
    true = {label for label, word in BY_LABEL.items() if word in held.claims and held.is_true(segment_id, word)}
    worth = f"{_amount(typical.net_revenue)} each"
    away = f"{_days(typical.recency_days)} without an order"
    due = "" if typical.gap_days is None else f" within {_days(typical.gap_days)}, the usual time between orders"
    is_valuable = bool(true & {"top value", "high value", "big-ticket"})
    rules = (
        ("nothing kept" in true, "Find out what was wrong with what they bought, before anything is sent to them."),
        ("lapsed" in true and is_valuable, f"Win them back in person: they were worth {worth}, now {away}."),
        ("lapsed" in true, f"Spend little on them: {away}, {worth}; one last offer, then cheap channels only."),
        ("cooling" in true and is_valuable, f"Call on them now, before they are gone: worth {worth}, {away}."),
        ("cooling" in true, f"Remind them once with what they bought before: {away}."),
        ("return-prone" in true, f"Help them choose before they buy: {typical.return_rate:.0%} comes back."),
        ("new" in true, f"Lead them to the next order{due}: welcome them with what suits the first one."),
        (
            "discount-driven" in true,
            f"Offer bundles and early access before further discounts: {typical.discount_share:.0%} is given away "
            "already.",
        ),
        (
            is_valuable and "frequent" in true,
            f"Keep them as they are, {worth}: service, early access and thanks rather than discounts.",
        ),
        (is_valuable, f"Give them a reason to order more often: {_amount(typical.order_value)} an order, {worth}."),
        ("frequent" in true, f"Raise the order, not the number: {_amount(typical.order_value)} each time."),
        ("one order" in true, f"Ask for the second order{due}."),
        ("low value" in true, f"Keep in touch at little cost, {worth}: they seldom pay for more."),
        ("small-ticket" in true, f"Suggest additions to the basket: {_amount(typical.order_value)} an order now."),
    )
    default = f"Keep them in touch: the next order is due{due}." if due else "Keep them in touch at little cost."
    return next((sentence for holds, sentence in rules if holds), default)


def _against(typical: Typical, everybody: Typical) -> str:
    """How net revenue compares with that of the typical customer; nothing where the two can't be compared."""
    if everybody.net_revenue <= 0 or typical.net_revenue <= 0:
        return ""
    ratio = typical.net_revenue / everybody.net_revenue
    if ratio >= 1.25:
        return f" ({ratio:,.0f} times the median)" if ratio >= 10 else f" ({ratio:.1f} times the median)"
    return (
        " (as the median)" if ratio > 0.8 else f" ({ratio:.0%} of the median)" if ratio >= 0.01 else " (next to none)"
    )


def _days(days: float | None) -> str:
    rounded = round(days or 0.0)
    return _counted(max(rounded, 1), "day") if rounded else "less than a day"


def _counted(number: float, noun: str) -> str:
    text = _amount(number) if number != round(number) else f"{round(number):,}"
    return f"{text} {noun}{'' if number == 1 else 's'}"


def _amount(value: float) -> str:
    """An amount without false precision: cents only where they matter."""
    if abs(value) >= 10 or value == round(value):
        return f"{value:,.0f}".replace("-0", "0") if round(value) == 0 else f"{value:,.0f}"
    return f"{value:,.2f}" if abs(value) < 1 else f"{value:,.1f}"
