"""Order lines that are plainly right: no rule of the contract refuses them, and cleaning changes nothing in them.

It is a short cut around the rules, which takes microseconds instead of milliseconds, and not another list of them:
whatever isn't plain is left to them, and a test lets Hypothesis look for a plain line that they would change or refuse.
"""

import re
from collections.abc import Container
from datetime import UTC, datetime
from typing import Any

# A digit makes sure that it spells no NULL, and no other characters that there is nothing to be trimmed.
PLAIN_ID = re.compile(r"[A-Za-z0-9_-]*[0-9][A-Za-z0-9_-]*")

PLAIN_MOMENT = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}([T ]([01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9](Z|[+]00:00)?)?")

LOWEST, HIGHEST = 1e-6, 1e11
"""Sizes of plain numbers; those of what is divided by are at least the lowest."""


def as_plain(
    line: Any, *, texts: Container[str | None], earliest: datetime, latest: datetime, is_utc: bool
) -> dict[str, Any] | None:
    """A line in contract columns; None if it isn't plain. Its currency is to be looked at by whoever asks.

    Args:
        line: An object with the contract's columns as attributes, None where nothing is said.
        texts: Texts that cleaning doesn't change, and None.
        earliest: The first plausible moment (UTC).
        latest: The last one.
        is_utc: Whether times that don't say their zone are UTC.
    """
    ids = line.order_id, line.customer_id, line.product_id
    if not all(text is not None and PLAIN_ID.fullmatch(text) for text in ids):
        return None
    if not (line.category in texts and line.country in texts and line.channel in texts):
        return None
    ordered_at = _plain_moment(line.ordered_at, is_utc)
    if ordered_at is None or not earliest <= ordered_at <= latest or not _has_plain_numbers(line):
        return None
    return {
        "order_id": line.order_id,
        "customer_id": line.customer_id,
        "product_id": line.product_id,
        "category": line.category,
        "quantity": line.quantity,
        "amount": line.amount,
        "discount": 0.0,
        "ordered_at": ordered_at,
        "country": line.country,
        "channel": line.channel,
        "currency": line.currency,
    }


def _has_plain_numbers(line: Any) -> bool:
    quantity, amount = line.quantity, line.amount
    if quantity is None or amount is None or line.unit_price is not None or line.discount:
        return False
    if not (LOWEST <= abs(quantity) < HIGHEST and abs(amount) < HIGHEST):
        return False
    return bool(amount >= 0 if quantity > 0 else amount <= 0)


def _plain_moment(text: str | None, is_utc: bool) -> datetime | None:
    if text is None or not PLAIN_MOMENT.fullmatch(text):
        return None
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:  # the thirtieth of February is the rules' business
        return None
    if moment.tzinfo is not None:
        return moment.astimezone(UTC).replace(tzinfo=None)
    return moment if is_utc else None
