-- One product in one order.
SELECT customer_id, order_id, product_id, SUM(amount) AS revenue
FROM purchases
GROUP BY customer_id, order_id, product_id
