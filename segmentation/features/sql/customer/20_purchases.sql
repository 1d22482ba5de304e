-- The orders of the window. Weekday, hour and month are those of the shop's clocks; gaps are elapsed time.
SELECT
    customer_id,
    ordered_at,
    revenue,
    discount,
    units,
    country,
    channel,
    iso_weekday(shop_time) AS weekday,
    hour_of_day(shop_time) AS hour,
    calendar_month(shop_time) AS calendar_month,
    month_number(shop_time) AS month,
    days_between(ordered_at, snapshot.as_of) AS days_before_as_of,
    CASE WHEN previous_ordered_at >= snapshot.window_start THEN micros(ordered_at) - micros(previous_ordered_at) END
        AS gap_us
FROM (SELECT *, shop_time(ordered_at) AS shop_time FROM orders) AS placed
CROSS JOIN snapshot
WHERE ordered_at >= (SELECT window_start FROM snapshot) AND ordered_at < (SELECT as_of FROM snapshot)
