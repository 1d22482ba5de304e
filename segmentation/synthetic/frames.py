"""The generated arrays as frames in the columns of the transaction contract."""

import numpy as np
import polars as pl
from numpy.typing import NDArray

from segmentation.synthetic.archetypes import ARCHETYPES, CHANNELS
from segmentation.synthetic.customers import COUNTRIES
from segmentation.synthetic.product_range import ProductRange
from segmentation.synthetic.purchases import MOST_LINES, Lines, Orders


def customer_ids(first: int, count: int) -> pl.Series:
    """Name `count` customers, from number `first` on."""
    return pl.select("C" + _padded(pl.int_range(first, first + count), 8)).to_series().rename("customer_id")


def archetypes_frame(customer_id: pl.Series, archetype: NDArray[np.int64]) -> pl.DataFrame:
    """Build the frame of who follows which archetype: customer_id, archetype."""
    names = pl.Series([kind.name for kind in ARCHETYPES])
    return pl.DataFrame([customer_id, names.gather(archetype).alias("archetype")])


def transactions_frame(
    customer_id: pl.Series, orders: Orders, purchases: Lines, returns: Lines, product_range: ProductRange
) -> pl.DataFrame:
    """Build the transactions, by `ordered_at` and then by `line_id`.

    Ids have a fixed width and purchases stand before returns, so a stable sort by time alone orders them.
    """

    def column(name: str) -> NDArray[np.int64]:
        return np.concatenate([getattr(purchases, name), getattr(returns, name)])[by_time]

    by_time = np.argsort(np.concatenate([purchases.second, returns.second]), kind="stable")
    order, product, quantity = column("order"), column("product"), column("quantity")
    price, discount = column("price_cents"), column("discount_cents")
    order_id = _prefix(quantity) + _stems(customer_id, orders).gather(order)
    line_suffix = pl.select("-" + _padded(pl.int_range(MOST_LINES + 1), 2)).to_series()
    return pl.DataFrame(
        {
            "line_id": order_id + line_suffix.gather(column("number")),
            "order_id": order_id,
            "customer_id": customer_id.gather(orders.customer[order]),
            "product_id": product_range.products["product_id"].gather(product),
            "category": product_range.products["category"].gather(product),
            "quantity": quantity.astype(np.float64),
            "unit_price": price / 100,
            "amount": (quantity * price - discount) / 100,
            "discount": discount / 100,
            "ordered_at": column("second").astype("datetime64[s]").astype("datetime64[us]"),
            "country": pl.Series(COUNTRIES).gather(orders.country[order]),
            "channel": pl.Series(tuple(CHANNELS)).gather(orders.channel[order]),
        }
    )


def _prefix(quantity: NDArray[np.int64]) -> pl.Series:
    return pl.Series(["O", "R"]).gather((quantity < 0).astype(np.int64))


def _stems(customer_id: pl.Series, orders: Orders) -> pl.Series:
    """Name the orders, without the letter that tells a purchase from its return: 00000042-00003."""
    frame = pl.DataFrame({"customer": customer_id.gather(orders.customer), "number": orders.number})
    stem = pl.col("customer").str.slice(1) + "-" + _padded(pl.col("number"), 5)
    return frame.select(stem).to_series()


def _padded(number: pl.Expr, width: int) -> pl.Expr:
    return number.cast(pl.String).str.zfill(width)
