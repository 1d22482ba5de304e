-- What a customer sent back in the window, as a positive amount.
SELECT customer_id, -SUM(amount) AS returned_revenue
FROM lines
WHERE quantity < 0
GROUP BY customer_id
