-- One return: the return lines of one document, and its refunds of money alone, whose quantity is zero.
SELECT
    customer_id,
    order_id,
    MIN(ordered_at) AS ordered_at,
    MAX(ordered_at) AS last_line_at,
    CAST(-SUM(amount) AS BIGINT) AS returned_revenue,
    MAX(CASE WHEN quantity < 0 THEN 1 ELSE 0 END) AS has_goods
FROM lines
WHERE quantity < 0 OR (quantity = 0 AND amount < 0)
GROUP BY customer_id, order_id
