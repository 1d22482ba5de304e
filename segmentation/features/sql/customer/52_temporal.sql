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
),
monthly AS (
    SELECT
        customer_id,
        COUNT(*) AS active_months,
        CAST(SUM(revenue) AS DOUBLE) / COUNT(*) AS monthly_spend_mean,
        exact_stddev(ten_thousandths(revenue)) / 10000.0 AS monthly_spend_std,
        exact_slope(month, ten_thousandths(revenue)) / 10000.0 AS spend_trend
    FROM months
    GROUP BY customer_id
),
seasons AS (
    SELECT customer_id, 1.0 - entropy(spend) / ln(12.0) AS seasonality_index
    FROM (
        SELECT customer_id, CAST(SUM(revenue) AS DOUBLE) AS spend
        FROM months
        GROUP BY customer_id, calendar_month
    ) AS by_calendar_month
    GROUP BY customer_id
)
SELECT
    rhythm.customer_id,
    days_between(first_ordered_at, snapshot.as_of) AS tenure_days,
    days_between(first_ordered_at, last_ordered_at) / NULLIF(order_count - 1, 0) AS mean_gap_days,
    std_gap_days,
    active_months,
    monthly_spend_mean,
    monthly_spend_std,
    spend_trend,
    preferred_weekday,
    preferred_hour,
    CAST(weekend_orders AS DOUBLE) / order_count AS weekend_order_share,
    seasonality_index
FROM rhythm
CROSS JOIN snapshot
JOIN monthly ON monthly.customer_id = rhythm.customer_id
JOIN seasons ON seasons.customer_id = rhythm.customer_id
JOIN favourites ON favourites.customer_id = rhythm.customer_id
LEFT JOIN gaps ON gaps.customer_id = rhythm.customer_id
