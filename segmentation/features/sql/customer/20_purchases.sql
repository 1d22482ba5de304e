-- The orders of the window.
SELECT
    customer_id,
    ordered_at,
    revenue,
    discount,
    units,
    country,
    channel,
    iso_weekday(ordered_at) AS weekday,
    hour_of_day(ordered_at) AS hour,
    calendar_month(ordered_at) AS calendar_month,
    month_number(ordered_at) AS month,
    days_between(ordered_at, snapshot.as_of) AS days_before_as_of,
    CASE WHEN previous_ordered_at >= snapshot.window_start THEN micros(ordered_at) - micros(previous_ordered_at) END
        AS gap_us
FROM orders
CROSS JOIN snapshot
WHERE ordered_at >= (SELECT window_start FROM snapshot) AND ordered_at < (SELECT as_of FROM snapshot)
