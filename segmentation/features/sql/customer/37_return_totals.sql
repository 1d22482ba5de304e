-- What a customer sent back in the window, as a positive amount, and in how many returns.
SELECT customer_id, SUM(returned_revenue) AS returned_revenue, COUNT(*) AS return_count
FROM return_orders
WHERE ordered_at >= (SELECT window_start FROM snapshot) AND ordered_at < (SELECT as_of FROM snapshot)
GROUP BY customer_id
