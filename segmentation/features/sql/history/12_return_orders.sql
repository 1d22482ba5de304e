-- One return: the return lines of one document.
SELECT
    customer_id,
    order_id,
    MIN(ordered_at) AS ordered_at,
    MAX(ordered_at) AS last_line_at,
    CAST(-SUM(amount) AS BIGINT) AS returned_revenue
FROM lines
WHERE quantity < 0
GROUP BY customer_id, order_id
