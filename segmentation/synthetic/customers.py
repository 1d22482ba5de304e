"""The customers of one chunk: their archetype and the traits that make them differ within it."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from segmentation.synthetic.archetypes import ARCHETYPES, CHANNELS, FOREIGN_MARKETS, HOME_MARKET, Archetype
from segmentation.synthetic.assortment import CATEGORIES, Category
from segmentation.synthetic.seasons import Calendar
from segmentation.synthetic.streams import Streams

COUNTRIES = (HOME_MARKET, *FOREIGN_MARKETS)
_SHORTEST_STAY = 0.01
_TRAIT_SHAPE = 3.0


@dataclass(frozen=True)
class Customers:
    """Traits, one entry per customer.

    Attributes:
        archetype: Index into `ARCHETYPES`.
        activity: Customers x 2: activity of the calendar at which they joined and left.
        orders_per_year: Order rate while active.
        lines_per_order: Mean number of lines in an order.
        discount_share: Share of lines with a discount.
        return_share: Share of lines that come back.
        categories: Customers x categories: indices into `CATEGORIES`, favourite first.
        breadth: How many of these they shop in.
        country: Index into `COUNTRIES`.
        channel: Index into `CHANNELS`: the one they prefer.
    """

    archetype: NDArray[np.int64]
    activity: NDArray[np.float64]
    orders_per_year: NDArray[np.float64]
    lines_per_order: NDArray[np.float64]
    discount_share: NDArray[np.float64]
    return_share: NDArray[np.float64]
    categories: NDArray[np.int64]
    breadth: NDArray[np.int64]
    country: NDArray[np.int64]
    channel: NDArray[np.int64]


def trait(read: Callable[[Archetype], float]) -> NDArray[np.float64]:
    """Read one number of every archetype, in the order of `ARCHETYPES`."""
    return np.array([read(kind) for kind in ARCHETYPES], dtype=np.float64)


def draw_index(weights: Iterable[float], u: NDArray[np.float64]) -> NDArray[np.int64]:
    """Turn uniform draws into indices, in proportion to the weights."""
    reach = np.cumsum(np.fromiter(weights, dtype=np.float64))
    return np.searchsorted(reach / reach[-1], u, side="right")


def draw_customers(streams: Streams, count: int, calendar: Calendar, arrivals_from: float = 1.0) -> Customers:
    """Draw the first `count` customers of a chunk; see `Variation` for `arrivals_from`."""
    archetype = draw_index((kind.share for kind in ARCHETYPES), streams.of("archetype").random(count))
    shape = trait(lambda kind: kind.rate_shape)[archetype]

    def around(purpose: str, mean: NDArray[np.float64], shape: NDArray[np.float64]) -> NDArray[np.float64]:
        return mean[archetype] * streams.of(purpose).gamma(shape) / shape

    few = np.full(count, _TRAIT_SHAPE)
    return Customers(
        archetype=archetype,
        activity=_stay(streams, archetype, calendar, arrivals_from),
        orders_per_year=around("order rate", trait(lambda kind: kind.orders_per_year), shape),
        lines_per_order=1 + around("basket", trait(lambda kind: kind.lines_per_order - 1), shape),
        discount_share=around("discount share", trait(lambda kind: kind.discount_share), few),
        return_share=around("return share", trait(lambda kind: kind.return_share), few),
        categories=_favourite_categories(streams, archetype),
        breadth=_between(lambda kind: kind.categories, archetype, streams.of("breadth").random(count)),
        country=_home_country(archetype, streams.of("country").random((count, 2))),
        channel=_preferred_channel(archetype, streams.of("channel").random(count)),
    )


def _stay(
    streams: Streams, archetype: NDArray[np.int64], calendar: Calendar, arrivals_from: float
) -> NDArray[np.float64]:
    """Draw when customers joined and left, cut to the window, never shorter than `_SHORTEST_STAY` of it."""
    u = streams.of("stay").random((archetype.size, 2))
    arrivals = {kind.name: (min(kind.joined[0], arrivals_from), kind.joined[1]) for kind in ARCHETYPES}
    joined = _uniform(lambda kind: arrivals[kind.name], archetype, u[:, 0]).clip(0.0, 1.0 - _SHORTEST_STAY)
    left = _uniform(lambda kind: kind.left, archetype, u[:, 1]).clip(joined + _SHORTEST_STAY, 1.0)
    return np.stack([calendar.reached(archetype, joined), calendar.reached(archetype, left)], axis=1)


def _uniform(
    bounds: Callable[[Archetype], tuple[float, float]], archetype: NDArray[np.int64], u: NDArray[np.float64]
) -> NDArray[np.float64]:
    low, high = trait(lambda kind: bounds(kind)[0]), trait(lambda kind: bounds(kind)[1])
    return (low + (high - low) * u[:, None])[np.arange(u.size), archetype]


def _between(
    bounds: Callable[[Archetype], tuple[int, int]], archetype: NDArray[np.int64], u: NDArray[np.float64]
) -> NDArray[np.int64]:
    low, high = trait(lambda kind: bounds(kind)[0]), trait(lambda kind: bounds(kind)[1])
    return (low[archetype] + u * (high - low + 1)[archetype]).astype(np.int64)


def _favourite_categories(streams: Streams, archetype: NDArray[np.int64]) -> NDArray[np.int64]:
    """Order the categories by popularity, taste and chance.

    Sorting log weights plus Gumbel noise draws without replacement in proportion to the weights.
    """
    weights = np.array([[entry.popularity * _taste(kind, entry) for entry in CATEGORIES] for kind in ARCHETYPES])
    noise = streams.of("categories").gumbel(size=(archetype.size, len(CATEGORIES)))
    return np.argsort(-(np.log(weights)[archetype] + noise), axis=1, kind="stable")


def _taste(kind: Archetype, entry: Category) -> float:
    return kind.tastes.get(entry.name, kind.tastes.get(entry.department, 1.0))


def _home_country(archetype: NDArray[np.int64], u: NDArray[np.float64]) -> NDArray[np.int64]:
    abroad = 1 + draw_index(FOREIGN_MARKETS.values(), u[:, 1])
    return np.where(u[:, 0] < trait(lambda kind: kind.home_share)[archetype], 0, abroad)


def _preferred_channel(archetype: NDArray[np.int64], u: NDArray[np.float64]) -> NDArray[np.int64]:
    mix = np.array([[kind.channels.get(name, 0.0) for name in CHANNELS] for kind in ARCHETYPES])
    reach = np.cumsum(mix, axis=1)
    reach /= reach[:, -1:]
    channel: NDArray[np.int64] = np.sum(u[:, None] >= reach[archetype], axis=1, dtype=np.int64)
    return channel
