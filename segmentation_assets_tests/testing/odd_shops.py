"""Twelve shops that are hard to divide, as files of order lines, to make segments of all the same.

Each is a function of a random generator; the same seed gives the same lines. Columns are the canonical ones.
"""

import csv
import random
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from pathlib import Path

START = datetime(2024, 1, 1)
COLUMNS = ("order_id", "customer_id", "product_id", "quantity", "unit_price", "ordered_at")
PROFILES = {
    "orders_without_products": """
name: till
inputs: {order: [order_id], customer: [customer_id], paid: [unit_price], moment: [ordered_at]}
columns:
  order_id: order
  customer_id: customer
  product_id: "'goods'"
  quantity: "1"
  unit_price: paid
  ordered_at: moment
"""
}
"""How lines are read that lack what the contract needs, as the users of such shops write it down."""

Line = tuple[str, str, str, float, float, datetime]


def nearly_all_buy_once(rng: random.Random) -> Iterator[Line]:
    """A marketplace, as one was reported: 4,000 customers in 20 months, 1.5 % of whom come back."""
    for customer in range(4_000):
        at = START + timedelta(days=rng.random() * 600)
        for order in range(1 if rng.random() > 0.015 else rng.choice((2, 2, 2, 3))):
            if at < START + timedelta(days=600):
                for _ in range(rng.choice((1, 1, 1, 1, 1, 1, 1, 2))):
                    price = round(rng.lognormvariate(4, 0.9), 2)
                    yield f"o{customer}-{order}", f"c{customer}", f"p{rng.randrange(900)}", 1, price, at
            at += timedelta(days=rng.expovariate(1 / 90))


def nothing_can_be_foretold(rng: random.Random) -> Iterator[Line]:
    """Everybody orders at random, as often and for as much as anybody else."""
    for order in range(6_000):
        yield _order(rng, order, rng.randrange(1_500), START + timedelta(days=rng.random() * 540))


def thirty_customers(rng: random.Random) -> Iterator[Line]:
    """A shop that has just found its first customers."""
    for order in range(150):
        yield _order(rng, order, rng.randrange(30), START + timedelta(days=rng.random() * 365))


def all_are_alike(_: random.Random) -> Iterator[Line]:
    """A subscription: 200 customers get the same box on the same day of each month."""
    for customer in range(200):
        for month in range(12):
            at = START + timedelta(days=30 * month, hours=9)
            yield f"o{customer}-{month}", f"c{customer}", "box", 1, 29.9, at


def one_order_each(rng: random.Random) -> Iterator[Line]:
    """Nobody has ever come back."""
    for customer in range(1_500):
        yield _order(rng, customer, customer, START + timedelta(days=rng.random() * 540))


def orders_without_products(rng: random.Random) -> Iterator[Line]:
    """A till that only tells sums."""
    for order in range(4_000):
        customer = int(800 * rng.random() ** 2)
        at = START + timedelta(days=rng.random() * 540)
        yield f"o{order}", f"c{customer}", "", 1, round(rng.lognormvariate(3, 0.7), 2), at


def all_is_returned(rng: random.Random) -> Iterator[Line]:
    """Whatever is bought comes back within ten days."""
    for number in range(900):
        order, customer, product, quantity, price, at = _order(
            rng, number, rng.randrange(300), START + timedelta(days=rng.random() * 500)
        )
        yield order, customer, product, quantity, price, at
        yield f"r{number}", customer, product, -quantity, price, at + timedelta(days=1 + 9 * rng.random())


def one_product(rng: random.Random) -> Iterator[Line]:
    """There is one thing to buy, at one price."""
    for order in range(3_000):
        customer, at = int(800 * rng.random() ** 2), START + timedelta(days=rng.random() * 540)
        yield f"o{order}", f"c{customer}", "the thing", rng.choice((1, 1, 1, 2, 3)), 19.0, at


def five_customers_for_ten_years(rng: random.Random) -> Iterator[Line]:
    """A supplier of few."""
    for order in range(600):
        yield _order(rng, order, order % 5, datetime(2016, 1, 1) + timedelta(days=rng.random() * 3_650))


def two_months(rng: random.Random) -> Iterator[Line]:
    """A shop that opened two months ago."""
    for order in range(1_500):
        yield _order(rng, order, int(600 * rng.random() ** 2), START + timedelta(days=rng.random() * 61))


def doubles_every_month(rng: random.Random) -> Iterator[Line]:
    """Twice as many customers each month, so that nearly all are new."""
    order = 0
    for month in range(9):
        for customer in range(20 * 2**month):
            for _ in range(1 if customer >= 10 * 2**month else rng.choice((0, 1, 2))):
                order += 1
                yield _order(rng, order, customer, START + timedelta(days=30 * (month + rng.random())))


def wholesale_and_retail(rng: random.Random) -> Iterator[Line]:
    """Fifteen resellers with nine tenths of the revenue beside 1,200 people."""
    for order in range(4_000):
        yield _order(rng, order, rng.randrange(1_200), START + timedelta(days=rng.random() * 540))
    for customer in range(15):
        for week in range(77):
            at = START + timedelta(days=7 * week + 5 * rng.random())
            for line in range(5):
                order_id, product = f"w{customer}-{week}", f"p{rng.randrange(200)}"
                yield order_id, f"reseller {customer}", product, rng.randrange(40, 200), 8.0 + line, at


ODD_SHOPS: dict[str, Callable[[random.Random], Iterator[Line]]] = {
    shop.__name__: shop
    for shop in (
        nearly_all_buy_once,
        nothing_can_be_foretold,
        thirty_customers,
        all_are_alike,
        one_order_each,
        orders_without_products,
        all_is_returned,
        one_product,
        five_customers_for_ten_years,
        two_months,
        doubles_every_month,
        wholesale_and_retail,
    )
}
"""By name."""


def write_odd_shop(name: str, folder: Path, seed: int = 7) -> tuple[Path, str]:
    """Write a shop's lines as a CSV file, and its profile where it needs one; the file, and its profile's name."""
    file, profile = folder / f"{name}.csv", folder / f"{name}.yaml"
    with file.open("w", newline="") as target:
        lines = csv.writer(target)
        lines.writerow(COLUMNS)
        for order, customer, product, quantity, price, at in ODD_SHOPS[name](random.Random(seed)):
            lines.writerow((order, customer, product, quantity, price, at.isoformat(" ", "seconds")))
    if name not in PROFILES:
        return file, "canonical"
    profile.write_text(PROFILES[name])
    return file, str(profile)


def _order(rng: random.Random, order: int, customer: int, at: datetime) -> Line:
    """An order of one line for something at some price."""
    price, quantity = round(rng.lognormvariate(3, 0.7), 2), rng.choice((1, 1, 1, 2, 3))
    return f"o{order}", f"c{customer}", f"p{rng.randrange(200)}", quantity, price, at
