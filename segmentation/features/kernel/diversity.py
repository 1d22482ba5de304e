"""Diversity: how wide a customer's interest is."""

from typing import Any

from segmentation.features.kernel.jitable import jitable
from segmentation.features.kernel.numbers import entropy, share
from segmentation.features.kernel.records import MISSING, Tally
from segmentation.features.kernel.tallies import add, clear, found


@jitable
def diversity(row: Any, orders: Any, baskets: Any, products: Tally, categories: Tally) -> None:
    """Fill in the features of this group.

    Args:
        row: The customer's.
        orders: Those of the window; one at least.
        baskets: The products in each of them.
        products: Memory to tally products in.
        categories: Memory to tally categories in.
    """
    clear(products)
    clear(categories)
    for basket in baskets:
        add(products, basket.product, basket.revenue)
        if basket.category != MISSING:
            add(categories, basket.category, basket.revenue)
    repeated = 0
    for product in found(products):
        if product.count >= 2:
            repeated += 1
    top, top_spend, spend = MISSING, 0, 0
    for category in found(categories):
        spend += category.spend
        is_first_of_equals = category.spend == top_spend and category.key < top
        if top == MISSING or category.spend > top_spend or is_first_of_equals:
            top, top_spend = category.key, category.spend
    product_count = float(len(found(products)))
    row.distinct_products = len(found(products))
    row.distinct_categories = len(found(categories))
    row.category_entropy = entropy(categories)
    row.product_entropy = entropy(products)
    row.top_category = top
    row.top_category_share = share(float(top_spend), float(spend))
    row.repeat_product_share = repeated / product_count
    row.distinct_products_per_order = len(baskets) / float(len(orders))
