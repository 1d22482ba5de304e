-- How wide a customer's interest is.
WITH products AS (
    SELECT
        customer_id,
        COUNT(*) AS distinct_products,
        entropy(spend) AS product_entropy,
        CAST(COUNT(CASE WHEN order_count >= 2 THEN 1 END) AS DOUBLE) / COUNT(*) AS repeat_product_share,
        SUM(order_count) AS product_orders
    FROM customer_products
    GROUP BY customer_id
),
categories AS (
    SELECT
        customer_id,
        COUNT(*) AS distinct_categories,
        entropy(spend) AS category_entropy,
        MAX(CASE WHEN spend_rank = 1 THEN category END) AS top_category,
        share(MAX(CASE WHEN spend_rank = 1 THEN spend END), exact_sum(spend)) AS top_category_share
    FROM customer_categories
    GROUP BY customer_id
),
order_counts AS (
    SELECT customer_id, COUNT(*) AS order_count
    FROM orders
    GROUP BY customer_id
)
SELECT
    products.customer_id,
    distinct_products,
    COALESCE(distinct_categories, 0) AS distinct_categories,
    category_entropy,
    product_entropy,
    top_category,
    top_category_share,
    repeat_product_share,
    CAST(product_orders AS DOUBLE) / order_count AS distinct_products_per_order
FROM products
JOIN order_counts ON order_counts.customer_id = products.customer_id
LEFT JOIN categories ON categories.customer_id = products.customer_id
