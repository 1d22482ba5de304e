-- What a customer sent back in the window, as a positive amount, and in how many returns.
SELECT customer_id, -SUM(amount) AS returned_revenue, COUNT(*) AS return_count
FROM (
    SELECT customer_id, order_id, SUM(amount) AS amount
    FROM lines
    WHERE quantity < 0
    GROUP BY customer_id, order_id
) AS return_orders
GROUP BY customer_id
