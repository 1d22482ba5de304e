-- How wide a customer's interest is.
SELECT
    order_totals.customer_id,
    distinct_products,
    COALESCE(distinct_categories, 0) AS distinct_categories,
    entropy(category_totals.spend, category_totals.spend_log_spend) AS category_entropy,
    entropy(product_totals.spend, product_totals.spend_log_spend) AS product_entropy,
    top_category,
    share(top_spend, all_spend) AS top_category_share,
    CAST(repeated_products AS DOUBLE) / distinct_products AS repeat_product_share,
    CAST(product_orders AS DOUBLE) / order_count AS distinct_products_per_order
FROM order_totals
JOIN product_totals ON product_totals.customer_id = order_totals.customer_id
LEFT JOIN category_totals ON category_totals.customer_id = order_totals.customer_id
LEFT JOIN top_categories ON top_categories.customer_id = order_totals.customer_id
