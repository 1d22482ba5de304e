-- One order with the time since the customer's previous one, in microseconds; NULL for the first.
SELECT
    customer_id,
    micros(ordered_at)
        - LAG(micros(ordered_at)) OVER (PARTITION BY customer_id ORDER BY ordered_at, order_id) AS gap_us
FROM orders
