-- What a customer was refunded in the window, as a positive amount, and how many returns of goods there were.
SELECT
    customer_id,
    SUM(returned_revenue) AS returned_revenue,
    CAST(SUM(has_goods) AS BIGINT) AS return_count
FROM return_orders
WHERE ordered_at >= (SELECT window_start FROM snapshot) AND ordered_at < (SELECT as_of FROM snapshot)
GROUP BY customer_id
