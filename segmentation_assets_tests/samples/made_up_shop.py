"""A shop that doesn't exist: 60 customers, their orders in eighteen months, by seed. The layouts are in `make`."""

import random
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

START, DAYS = datetime(2023, 1, 2, 8, tzinfo=UTC), 540
STREETS = ("Mill Lane", "High Street", "Am Markt", "Rue Neuve")
PLACES = (
    ("US", "90210", "Beverly Hills"),
    ("US", "10001", "New York"),
    ("DE", "20095", "Hamburg"),
    ("FR", "69001", "Lyon"),
)
PRODUCTS = (
    ("mug-01", "Mug, blue", "Kitchen", 12.5),
    ("mug-02", 'Mug "Best of all"', "Kitchen", 14.0),
    ("lamp-1", "Desk lamp", "Home", 49.9),
    ("rug-9", "Wool rug", "Home", 129.0),
    ("pen-3", "Fountain pen", "Office", 24.95),
    ("ink-1", "Ink, black", "Office", 7.2),
    ("bag-4", "Canvas bag", "Travel", 35.0),
    ("map-2", "Map of nowhere", "Travel", 9.99),
)


@dataclass(frozen=True)
class Line:
    """Pieces of one product in an order."""

    sku: str
    name: str
    category: str
    price: float
    pieces: int

    @property
    def total(self) -> float:
        """What they cost."""
        return round(self.price * self.pieces, 2)


@dataclass(frozen=True)
class Order:
    """One order, and how it went: `paid`, `cancelled`, `pending` or `refunded`."""

    number: int
    customer: int
    at: datetime
    outcome: str
    lines: tuple[Line, ...]

    @property
    def email(self) -> str:
        """The customer's address."""
        return f"customer{self.customer}@example.com"

    @property
    def place(self) -> tuple[str, str, str]:
        """Country, postal code and city; no two customers share a postal code."""
        country, code, city = PLACES[self.customer % len(PLACES)]
        return country, f"{code[:2]}{self.customer:03d}", city

    @property
    def total(self) -> float:
        """What all lines cost."""
        return round(sum(line.total for line in self.lines), 2)


def orders(seed: int = 17) -> list[Order]:
    """All orders by time: a fifth of the customers come often, half of them once or twice."""
    rng = random.Random(seed)
    visits = sorted((at, customer) for customer in range(1, 61) for at in _visits(rng, customer))
    return [
        Order(1000 + number, customer, at, _outcome(rng), _lines(rng))
        for number, (at, customer) in enumerate(visits, start=1)
    ]


def _visits(rng: random.Random, customer: int) -> Iterator[datetime]:
    gap = 25 if customer % 5 == 0 else 80 if customer % 5 < 3 else 300
    at = START + timedelta(days=rng.uniform(0, 200 if gap < 300 else DAYS - 5), minutes=rng.uniform(0, 600))
    while at < START + timedelta(days=DAYS):
        yield at.replace(second=rng.randrange(60), microsecond=0)
        at += timedelta(days=rng.expovariate(1 / gap) + 1)


def _outcome(rng: random.Random) -> str:
    return rng.choices(("paid", "cancelled", "pending", "refunded"), (92, 4, 2, 2))[0]


def _lines(rng: random.Random) -> tuple[Line, ...]:
    chosen = rng.sample(PRODUCTS, rng.choice((1, 1, 1, 2, 2, 3)))
    return tuple(Line(*product, rng.choice((1, 1, 1, 2, 3))) for product in chosen)
