-- When a customer buys.
WITH rhythm AS (
    SELECT
        customer_id,
        COUNT(*) AS order_count,
        MIN(ordered_at) AS first_ordered_at,
        MAX(ordered_at) AS last_ordered_at,
        COUNT(CASE WHEN iso_weekday(ordered_at) >= 6 THEN 1 END) AS weekend_orders
    FROM orders
    GROUP BY customer_id
),
gaps AS (
    SELECT customer_id, exact_stddev(gap_us) / 86400000000.0 AS std_gap_days
    FROM order_gaps
    WHERE gap_us IS NOT NULL
    GROUP BY customer_id
)
SELECT
    rhythm.customer_id,
    days_between(first_ordered_at, snapshot.as_of) AS tenure_days,
    days_between(first_ordered_at, last_ordered_at) / NULLIF(order_count - 1, 0) AS mean_gap_days,
    std_gap_days,
    CAST(weekend_orders AS DOUBLE) / order_count AS weekend_order_share
FROM rhythm
CROSS JOIN snapshot
LEFT JOIN gaps ON gaps.customer_id = rhythm.customer_id
