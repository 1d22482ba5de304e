"""The products of the synthetic shop, their prices and their popularity, made from the `assortment`.

What a customer picks from them is decided in `purchases`.
"""

from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray

from segmentation.synthetic.assortment import BRANDS, CATEGORIES
from segmentation.synthetic.streams import Streams

SHELF_PLACES = 1024
_ZIPF_EXPONENT = 0.9
_BEST_SELLERS_OFFSET = 1.5


@dataclass(frozen=True)
class ProductRange:
    """Products as arrays, for the generator, and as a frame, for the reader.

    Attributes:
        products: One row per product: product_id, product_name, category, department, brand.
        category: Index into `CATEGORIES` per product.
        price_cents: List price per product.
        shelves: Categories x `SHELF_PLACES` product indices; a product fills places in proportion to its
            popularity within the category, so that a uniform place is a draw by popularity.
    """

    products: pl.DataFrame
    category: NDArray[np.int64]
    price_cents: NDArray[np.int64]
    shelves: NDArray[np.int64]


def build_product_range(seed: int) -> ProductRange:
    """Build the assortment; it depends on the seed alone, not on customers or dates."""
    streams = Streams(seed)
    rows = [
        (f"{variant} {noun}", category)
        for category in CATEGORIES
        for noun in category.nouns.split(", ")
        for variant in category.variants.split(", ")
    ]
    luck = streams.of("product brand").random(len(rows))
    brands = [_pick(BRANDS[entry.department].split(", "), u) for (_, entry), u in zip(rows, luck, strict=True)]
    products = pl.DataFrame(
        {
            "product_id": [f"P{number:05d}" for number in range(1, len(rows) + 1)],
            "product_name": [f"{brand} {name}" for brand, (name, _) in zip(brands, rows, strict=True)],
            "category": [entry.name for _, entry in rows],
            "department": [entry.department for _, entry in rows],
            "brand": brands,
        }
    )
    index = {entry.name: position for position, entry in enumerate(CATEGORIES)}
    category = np.array([index[entry.name] for _, entry in rows], dtype=np.int64)
    ranks = streams.of("product rank").random(len(rows))
    return ProductRange(
        products=products,
        category=category,
        price_cents=_list_prices(category, streams.of("product price")),
        shelves=np.stack([_shelf(np.flatnonzero(category == c), ranks) for c in range(len(CATEGORIES))]),
    )


def _pick(options: list[str], u: float) -> str:
    return options[int(u * len(options))]


def _list_prices(category: NDArray[np.int64], rng: np.random.Generator) -> NDArray[np.int64]:
    """Draw lognormal prices and end them as shops do: 4.79, 24.99, 349.00."""
    median = np.array([entry.median_price for entry in CATEGORIES])[category]
    spread = np.array([entry.price_spread for entry in CATEGORIES])[category]
    price = median * np.exp(spread * rng.standard_normal(category.size))
    small = np.maximum(np.round(price * 10), 10) * 10 - 1
    medium = np.round(price) * 100 - 1
    large = np.round(price / 10) * 1000 - 100
    return np.select([price < 10, price < 200], [small, medium], large).astype(np.int64)


def _shelf(members: NDArray[np.int64], ranks: NDArray[np.float64]) -> NDArray[np.int64]:
    """Lay a category's products out over `SHELF_PLACES` places by Zipf-Mandelbrot popularity."""
    ordered = members[np.argsort(ranks[members])]
    weight = (np.arange(ordered.size) + _BEST_SELLERS_OFFSET) ** -_ZIPF_EXPONENT
    reach = np.cumsum(weight) / weight.sum()
    places = (np.arange(SHELF_PLACES) + 0.5) / SHELF_PLACES
    return ordered[np.searchsorted(reach, places)]
