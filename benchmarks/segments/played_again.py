"""Steps played again in another way: by pandas and plain NumPy, from the artefact's JSON and the words of a step.

Nothing here is what the platform itself does: neither its kernel, nor its evaluation of a model, nor its steps.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from typing import Any

import numpy as np
import pandas as pd

from benchmarks.features.contenders.pandas_frames import features_of_lines
from segmentation.modeling.artefact import Artefact, Floats, Ints

Asked = tuple[int, int, int]
"""Orders, how many times the usual size, and days; (0, 0, days) to wait; (0, -1, 1) for returning the last order."""

NUMBERS = ("no", "One", "Two", "Three", "Four", "Five", "Six", "Seven", "Eight", "Nine")
SIZES = {"twice": 2, "three times": 3}
ORDER_SLOTS = 6
WAITS: tuple[Asked, ...] = tuple((0, 0, days) for days in (30, 60, 90, 180))
RETURN: Asked = (0, -1, 1)
GONE = -1


def asked(text: str) -> Asked:
    """What a step asks for, by its words."""
    if found := re.match(r"No order for (\d+) days$", text):
        return 0, 0, int(found[1])
    if text.startswith("Returning the last order"):
        return RETURN
    if found := re.match(r"(\w+) more orders? of \S+( each)? within (\d+) days(, (.*) the usual size)?$", text):
        count = NUMBERS.index(found[1]) if found[1] in NUMBERS else int(found[1])
        return count, SIZES[found[5]] if found[5] else 1, int(found[3])
    if found := re.match(r"An order of .* within (\d+) days, (twice|three times) the usual$", text):
        return 1, SIZES[found[2]], int(found[1])
    raise ValueError(f"No step is called {text!r}.")


def orders_to_ask(own: pd.DataFrame, as_of: date, days: int) -> list[Asked]:
    """The orders that a customer's steps ask for, by the rhythm of the last 90 days."""
    placed = own[own["quantity"] > 0].groupby("order_id")["ordered_at"].min()
    ages = (pd.Timestamp(as_of) - placed).dt.total_seconds() / 86_400
    usual = max(1, min(days, round(days * int((ages <= 90).sum()) / min(90.0, max(30.0, float(ages.max()))))))
    more = [2, 3, 5] if usual == 1 else [-(-3 * usual // 2), 2 * usual, 3 * usual]
    return [*((usual, size, days) for size in (1, 2, 3)), *((count, 1, days) for count in more)]


def after(own: pd.DataFrame, as_of: date, step: Asked) -> tuple[pd.DataFrame, date]:
    """A customer's lines after a step, and the date of the look."""
    count, size, days = step
    end = as_of + timedelta(days=days)
    if step in WAITS:
        return own, end
    bought = own[own["quantity"] > 0]
    orders = bought.groupby("order_id").agg(value=("amount", "sum"), placed=("ordered_at", "min")).reset_index()
    orders["value"] = orders["value"].round(6)
    if step == RETURN:
        last = orders.sort_values(["placed", "order_id"]).iloc[-1]
        again, days_on = bought[bought["order_id"] == last["order_id"]], [0]
    else:
        ranked = orders.sort_values(["value", "placed", "order_id"])
        usual = ranked.iloc[(len(ranked) - 1) // 2]
        again = bought[bought["order_id"] == usual["order_id"]]
        days_on = [round(days * number / (count + 1)) for number in range(1, count + 1)]
    hour = time() if step == RETURN else again["ordered_at"].min().time()
    parts = [
        again.assign(
            order_id=f"imagined {number}",
            ordered_at=pd.Timestamp(datetime.combine(as_of + timedelta(days=day), hour)),
            quantity=size * again["quantity"],
            amount=size * again["amount"],
            discount=max(size, 0) * again["discount"].fillna(0.0),
        )
        for number, day in enumerate(days_on)
    ]
    return pd.concat([own, *parts]), end


def play(
    lines: pd.DataFrame, as_of: date, lookback: int, market: str | None, names: Sequence[str]
) -> list[tuple[dict[str, Asked], pd.DataFrame]]:
    """What each customer is asked for, and their features after it: a row per customer who has a purchase left."""
    found = []
    by_customer = {str(name): own for name, own in lines.groupby("customer_id", observed=True)}
    slots: list[dict[str, Asked]] = []
    for days in (30, 90):
        orders = {name: orders_to_ask(own, as_of, days) for name, own in by_customer.items()}
        slots += [{name: orders[name][slot] for name in by_customer} for slot in range(ORDER_SLOTS)]
    slots += [dict.fromkeys(by_customer, step) for step in (*WAITS, RETURN)]
    for asks in slots:
        ends = as_of + timedelta(days=next(iter(asks.values()))[2])
        played = pd.concat([after(own, as_of, asks[name])[0] for name, own in by_customer.items()])
        start = pd.Timestamp(ends - timedelta(days=lookback))
        seen = played[(played["ordered_at"] >= start) & (played["ordered_at"] < pd.Timestamp(ends))]
        frame = features_of_lines(seen, datetime.combine(ends, time()), market)
        found.append((asks, frame[list(names)].astype("float64")))
    return found


@dataclass(frozen=True)
class PlainModel:
    """An artefact, evaluated by its definition."""

    artefact: Artefact

    def points(self, values: Floats) -> Floats:
        """Raw features (n, d) to model space (n, p)."""
        scaled = []
        for rule, column in zip(self.artefact.rules, values.T, strict=True):
            filled = np.where(np.isnan(column), np.nan if rule.missing_value is None else rule.missing_value, column)
            x = np.clip(filled, rule.lower, rule.upper)
            transforms: Mapping[str, Any] = {
                "log": lambda v: np.log1p(np.maximum(v, 0)),
                "signed_log": lambda v: np.sign(v) * np.log1p(np.abs(v)),
                "sqrt": lambda v: np.sqrt(np.maximum(v, 0)),
                "identity": lambda v: v,
            }
            scaled.append((transforms[rule.transform](x) - rule.center) / rule.scale)
        matrix = np.array(scaled).T
        return matrix if self.artefact.projection is None else matrix @ np.array(self.artefact.projection).T

    @property
    def centres(self) -> Floats:
        """Shape (k, p)."""
        return np.array([segment.centroid for segment in self.artefact.segments])

    def nearest(self, values: Floats) -> Ints:
        """Index of the nearest segment of each customer."""
        return np.asarray(self._squared(values).argmin(axis=1))

    def settled(self, values: Floats, own: Ints, has_dwelt: Ints, margin: float) -> Ints:
        """Index of the segment of customers who are in one: the nearest if they are past its border by the margin.

        Args:
            values: Shape (n, d).
            own: Length n; index of their segment.
            has_dwelt: Length n; index of the segment that they have been nearest to for long enough by then, or -1.
            margin: 0 on the border, 1 level with the other centre.
        """
        squared, rows = self._squared(values), np.arange(len(values))
        nearest = squared.argmin(axis=1)
        apart = ((self.centres[own] - self.centres[nearest]) ** 2).sum(axis=1)
        way = (squared[rows, own] - squared[rows, nearest]) / np.where(apart > 0, apart, 1.0)
        return np.where((way >= margin) | (has_dwelt == nearest), nearest, own)

    def _squared(self, values: Floats) -> Floats:
        points = self.points(values)
        return np.asarray(((points[:, np.newaxis] - self.centres) ** 2).sum(axis=2))
