-- One product of one customer: spend, and in how many orders.
SELECT customer_id, product_id, CAST(SUM(revenue) AS BIGINT) AS spend, COUNT(*) AS order_count
FROM basket
GROUP BY customer_id, product_id
