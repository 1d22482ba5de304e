-- The weekday and the hour with the most orders; ties go to the smallest. Number of orders and choice are packed into
-- one integer, so that its maximum is the favourite.
SELECT
    customer_id,
    7 - MAX(CASE WHEN kind = 'weekday' THEN packed END) % 8 AS preferred_weekday,
    23 - MAX(CASE WHEN kind = 'hour' THEN packed END) % 24 AS preferred_hour
FROM (
    SELECT customer_id, 'weekday' AS kind, COUNT(*) * 8 + 7 - weekday AS packed
    FROM purchases
    GROUP BY customer_id, weekday
    UNION ALL
    SELECT customer_id, 'hour' AS kind, COUNT(*) * 24 + 23 - hour AS packed
    FROM purchases
    GROUP BY customer_id, hour
) AS counted
GROUP BY customer_id
