-- Recency, frequency and monetary value, without the scores, which need everybody.
WITH measured AS (
    SELECT
        customer_id,
        MAX(ordered_at) AS last_ordered_at,
        COUNT(*) AS order_count,
        CAST(SUM(revenue) AS DOUBLE) AS gross_revenue,
        MEDIAN(CAST(revenue AS DOUBLE)) AS median_order_value,
        CAST(MAX(revenue) AS DOUBLE) AS max_order_value,
        COUNT(CASE WHEN days_before_as_of <= 30 THEN 1 END) AS orders_30d,
        COUNT(CASE WHEN days_before_as_of <= 90 THEN 1 END) AS orders_90d,
        COUNT(CASE WHEN days_before_as_of <= 365 THEN 1 END) AS orders_365d,
        CAST(SUM(CASE WHEN days_before_as_of <= 30 THEN revenue ELSE 0 END) AS DOUBLE) AS revenue_30d,
        CAST(SUM(CASE WHEN days_before_as_of <= 90 THEN revenue ELSE 0 END) AS DOUBLE) AS revenue_90d,
        CAST(SUM(CASE WHEN days_before_as_of <= 365 THEN revenue ELSE 0 END) AS DOUBLE) AS revenue_365d
    FROM (
        SELECT orders.*, days_between(orders.ordered_at, snapshot.as_of) AS days_before_as_of
        FROM orders
        CROSS JOIN snapshot
    ) AS dated
    GROUP BY customer_id
)
SELECT
    measured.customer_id,
    days_between(last_ordered_at, snapshot.as_of) AS recency_days,
    order_count,
    gross_revenue,
    CAST(COALESCE(returned_revenue, 0) AS DOUBLE) AS returned_revenue,
    gross_revenue - CAST(COALESCE(returned_revenue, 0) AS DOUBLE) AS net_revenue,
    gross_revenue / order_count AS average_order_value,
    median_order_value,
    max_order_value,
    orders_30d,
    orders_90d,
    orders_365d,
    revenue_30d,
    revenue_90d,
    revenue_365d
FROM measured
CROSS JOIN snapshot
LEFT JOIN returns ON returns.customer_id = measured.customer_id
