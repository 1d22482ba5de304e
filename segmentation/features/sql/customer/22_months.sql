-- One calendar month (UTC) in which a customer ordered; months are counted from the month of as_of, hence negative.
SELECT
    customer_id,
    month_number(ordered_at) - MAX(month_number(snapshot.as_of)) AS month,
    MAX(calendar_month(ordered_at)) AS calendar_month,
    SUM(revenue) AS revenue
FROM orders
CROSS JOIN snapshot
GROUP BY customer_id, month_number(ordered_at)
