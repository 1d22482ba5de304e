-- Recency, frequency and monetary value, without the scores, which need everybody.
SELECT
    order_totals.customer_id,
    days_between(last_ordered_at, snapshot.as_of) AS recency_days,
    order_count,
    from_millionths(revenue) AS gross_revenue,
    from_millionths(COALESCE(returned_revenue, 0)) AS returned_revenue,
    from_millionths(revenue - COALESCE(returned_revenue, 0)) AS net_revenue,
    from_millionths(revenue) / order_count AS average_order_value,
    median_revenue / 1e6 AS median_order_value,
    from_millionths(max_revenue) AS max_order_value,
    orders_30d,
    orders_90d,
    orders_365d,
    from_millionths(COALESCE(revenue_30d, 0)) AS revenue_30d,
    from_millionths(COALESCE(revenue_90d, 0)) AS revenue_90d,
    from_millionths(COALESCE(revenue_365d, 0)) AS revenue_365d
FROM order_totals
CROSS JOIN snapshot
LEFT JOIN return_totals ON return_totals.customer_id = order_totals.customer_id
