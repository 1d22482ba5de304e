-- When a customer buys.
SELECT
    order_totals.customer_id,
    days_between(first_ordered_at, snapshot.as_of) AS tenure_days,
    days_between(first_ordered_at, last_ordered_at) / NULLIF(order_count - 1, 0) AS mean_gap_days,
    sample_deviation(gap_count, gap_us, squared_gap_us) / 86400e6 AS std_gap_days,
    active_months,
    from_millionths(revenue) / active_months AS monthly_spend_mean,
    sample_deviation(active_months, month_totals.spend, squared_spend) / 1e6 AS monthly_spend_std,
    slope(active_months, month, month_totals.spend, squared_month, month_spend) / 1e6 AS spend_trend,
    preferred_weekday,
    preferred_hour,
    CAST(weekend_orders AS DOUBLE) / order_count AS weekend_order_share,
    1.0 - entropy(seasons.spend, spend_log_spend) / ln(12.0) AS seasonality_index
FROM order_totals
CROSS JOIN snapshot
JOIN month_totals ON month_totals.customer_id = order_totals.customer_id
JOIN habits ON habits.customer_id = order_totals.customer_id
LEFT JOIN seasons ON seasons.customer_id = order_totals.customer_id
