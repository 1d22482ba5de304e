-- What can be counted over a customer's orders in one pass.
SELECT
    customer_id,
    COUNT(*) AS order_count,
    MIN(ordered_at) AS first_ordered_at,
    MAX(ordered_at) AS last_ordered_at,
    SUM(revenue) AS revenue,
    MEDIAN(CAST(revenue AS DOUBLE)) AS median_revenue,
    MAX(revenue) AS max_revenue,
    SUM(discount) AS discount,
    SUM(units) AS units,
    COUNT(CASE WHEN days_before_as_of <= 30 THEN 1 END) AS orders_30d,
    COUNT(CASE WHEN days_before_as_of <= 90 THEN 1 END) AS orders_90d,
    COUNT(CASE WHEN days_before_as_of <= 365 THEN 1 END) AS orders_365d,
    SUM(CASE WHEN days_before_as_of <= 30 THEN revenue END) AS revenue_30d,
    SUM(CASE WHEN days_before_as_of <= 90 THEN revenue END) AS revenue_90d,
    SUM(CASE WHEN days_before_as_of <= 365 THEN revenue END) AS revenue_365d,
    COUNT(CASE WHEN weekday >= 6 THEN 1 END) AS weekend_orders,
    MIN(country) AS first_country,
    MAX(country) AS last_country,
    COUNT(gap_us) AS gap_count,
    SUM(gap_us) AS gap_us,
    SUM(exact_product(gap_us, gap_us)) AS squared_gap_us
FROM purchases
GROUP BY customer_id
