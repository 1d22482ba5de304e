"""Shops whose customers buy as MBG/NBD says, drawn from a seed, and odd ones."""

from datetime import date, timedelta

import numpy as np

from segmentation.predictions.mbg_nbd import MbgNbd
from segmentation.predictions.purchases import Purchases

OPENED = date(2023, 1, 1)
TRUE = MbgNbd(r=1.2, alpha=50.0, a=0.6, b=2.5)


def moment(as_of: date) -> float:
    return float((as_of - date(1970, 1, 1)).days)


def purchases(
    orders: list[tuple[int, float, float]], returns: list[tuple[int, float, float]] | None = None
) -> Purchases:
    """Of (customer, days after opening, money)."""
    bought, back = (np.array(sorted(rows), dtype=np.float64).reshape(-1, 3) for rows in (orders, returns or []))
    start = moment(OPENED)
    return Purchases(
        bought[:, 0].astype(np.int64),
        start + bought[:, 1],
        bought[:, 2],
        back[:, 0].astype(np.int64),
        start + back[:, 1],
        back[:, 2],
        customer_count=int(max((row[0] for row in (*orders, *(returns or []))), default=-1)) + 1,
        zone="UTC",
        lookback_days=365,
    )


def drawn_shop(customers: int, days: int, *, seed: int = 1, truth: MbgNbd = TRUE) -> Purchases:
    """Customers who come over the first half of the time."""
    random = np.random.default_rng(seed)
    rate = random.gamma(truth.r, 1 / truth.alpha, customers)
    leaving = random.beta(truth.a, truth.b, customers)
    value = random.lognormal(3.0, 0.5, customers)
    rows = []
    for who in range(customers):
        at = float(random.uniform(0, days / 2))
        while at < days:
            rows.append((who, at, float(value[who] * random.lognormal(0, 0.3))))
            if random.random() < leaving[who]:
                break
            at += float(random.exponential(1 / rate[who]))
    return purchases(rows)


def _cadence(customers: int, gap: float, days: int) -> list[tuple[int, float, float]]:
    return [(who, float(at), 20.0) for who in range(customers) for at in np.arange(0.5, days, gap)]


AS_OF = OPENED + timedelta(days=400)

ODD_SHOPS: dict[str, tuple[Purchases, date]] = {
    "nobody": (purchases([]), AS_OF),
    "one customer, one order": (purchases([(0, 390.5, 10.0)]), AS_OF),
    "one order each": (purchases([(who, float(who % 399), 10.0 + who) for who in range(800)]), AS_OF),
    "identical customers": (purchases(_cadence(50, 20.0, 400)), AS_OF),
    "thirty customers": (drawn_shop(30, 400), AS_OF),
    "two months": (drawn_shop(300, 60), OPENED + timedelta(days=60)),
    "two days": (purchases(_cadence(5, 1.0, 2)), OPENED + timedelta(days=2)),
    "everything comes back": (
        purchases(_cadence(60, 30.0, 400), [(who, at + 0.25, money) for who, at, money in _cadence(60, 30.0, 400)]),
        AS_OF,
    ),
    "all for free": (purchases([(who, at, 0.0) for who, at, _ in _cadence(60, 30.0, 400)]), AS_OF),
    "nobody came back": (purchases([(who, 50.5, 10.0) for who in range(500)]), AS_OF),
    "hourly orders": (purchases(_cadence(3, 1 / 24, 400)), AS_OF),
    "a wholesaler": (
        purchases([*_cadence(100, 40.0, 400), *((100, at, 1e7) for _, at, _ in _cadence(1, 7.0, 400))]),
        AS_OF,
    ),
}
