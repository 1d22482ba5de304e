-- One product of one customer: spend, and in how many orders.
SELECT customer_id, product_id, CAST(SUM(revenue) AS DOUBLE) AS spend, COUNT(*) AS order_count
FROM order_products
GROUP BY customer_id, product_id
