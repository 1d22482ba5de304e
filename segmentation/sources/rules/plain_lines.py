"""Order lines that are plainly right: no rule of the contract refuses them, and cleaning changes nothing in them.

It is a short cut around the rules, which takes microseconds instead of milliseconds, and not another list of them:
whatever isn't plain is left to them, and a test lets Hypothesis look for a plain line that they would change or refuse.
"""

import re
from collections.abc import Container
from datetime import UTC, datetime
from typing import Any

# A digit or an @ makes sure that it spells no NULL, and no other characters that there is nothing to be trimmed. What
# ends in `.0` went through a float.
PLAIN_ID = re.compile(r"(?=.*[0-9@])[A-Za-z0-9_-](?:[A-Za-z0-9_@+.-]*[A-Za-z0-9_-])?(?<![.]0)")

PLAIN_MOMENT = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}"
    r"([T ]([01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9]([.][0-9]{3}|[.][0-9]{6})?(Z|[+-](0[0-9]|1[0-3]):[0-5][0-9])?)?"
)

LOWEST, HIGHEST = 1e-6, 1e11
"""Sizes of plain numbers; those of what is divided by are at least the lowest."""


def as_plain(
    line: Any,
    *,
    texts: Container[str | None],
    products: Container[str],
    earliest: datetime,
    latest: datetime,
    is_utc: bool,
) -> dict[str, Any] | None:
    """A line in contract columns; None if it isn't plain. Its currency is to be looked at by whoever asks.

    Args:
        line: An object with the contract's columns as attributes, None where nothing is said.
        texts: Texts that cleaning doesn't change, and None.
        products: Ids of products that it doesn't change either.
        earliest: The first plausible moment (UTC).
        latest: The last one.
        is_utc: Whether times that don't say their zone are UTC.
    """
    if not (_is_plain_id(line.order_id) and _is_plain_id(line.customer_id)):
        return None
    if not (line.product_id in products or _is_plain_id(line.product_id)):
        return None
    if not (line.category in texts and line.country in texts and line.channel in texts):
        return None
    ordered_at = _plain_moment(line.ordered_at, is_utc)
    amount = _plain_amount(line)
    if ordered_at is None or not earliest <= ordered_at <= latest or amount is None:
        return None
    return {
        "order_id": line.order_id,
        "customer_id": line.customer_id,
        "product_id": line.product_id,
        "category": line.category,
        "quantity": line.quantity,
        "amount": amount,
        "discount": line.discount or 0.0,
        "ordered_at": ordered_at,
        "country": line.country,
        "channel": line.channel,
        "currency": line.currency,
    }


def _is_plain_id(text: str | None) -> bool:
    return text is not None and PLAIN_ID.fullmatch(text) is not None


def _plain_amount(line: Any) -> float | None:
    """The amount of a line whose numbers are plain, given or worked out as the rules do."""
    quantity, price, discount = line.quantity, line.unit_price, line.discount or 0.0
    if quantity is None or not LOWEST <= abs(quantity) < HIGHEST or not abs(discount) < HIGHEST:
        return None
    if price is not None and not 0 <= price < HIGHEST:
        return None
    amount = line.amount
    if amount is None:
        if price is None:
            return None
        amount = quantity * price - discount
    paid = amount + discount  # over the quantity, it is the price where none is given
    is_plain = (amount >= 0 and paid >= 0) if quantity > 0 else (amount <= 0 and paid <= 0)
    return amount if is_plain and abs(amount) < HIGHEST else None


def _plain_moment(text: str | None, is_utc: bool) -> datetime | None:
    if text is None or not PLAIN_MOMENT.fullmatch(text):
        return None
    try:
        moment = datetime.fromisoformat(text)
        if moment.tzinfo is not None:
            return moment.astimezone(UTC).replace(tzinfo=None)
    except (ValueError, OverflowError):  # the thirtieth of February, and the year 10000, are the rules' business
        return None
    return moment if is_utc else None
