-- One product in one order; where its lines disagree, the smallest category counts.
SELECT
    customer_id,
    order_id,
    product_id,
    MIN(category) AS category,
    MIN(ordered_at) AS ordered_at,
    CAST(SUM(amount) AS BIGINT) AS revenue
FROM lines
WHERE quantity > 0
GROUP BY customer_id, order_id, product_id
