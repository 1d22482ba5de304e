-- One order: its purchase lines; it happens at the earliest of them.
SELECT
    customer_id,
    order_id,
    MIN(ordered_at) AS ordered_at,
    SUM(amount) AS revenue,
    SUM(discount) AS discount,
    SUM(quantity) AS units,
    MIN(country) AS country
FROM purchases
GROUP BY customer_id, order_id
