-- The weekday, the hour and the country with the most orders; ties go to the smallest.
WITH counted AS (
    SELECT customer_id, 'weekday' AS kind, CAST(iso_weekday(ordered_at) AS STRING) AS choice, COUNT(*) AS order_count
    FROM orders
    GROUP BY customer_id, iso_weekday(ordered_at)
    UNION ALL
    SELECT customer_id, 'hour', CAST(hour_of_day(ordered_at) AS STRING), COUNT(*)
    FROM orders
    GROUP BY customer_id, hour_of_day(ordered_at)
    UNION ALL
    SELECT customer_id, 'country', country, COUNT(*)
    FROM orders
    WHERE country IS NOT NULL
    GROUP BY customer_id, country
),
ranked AS (
    SELECT
        customer_id,
        kind,
        choice,
        ROW_NUMBER() OVER (
            PARTITION BY customer_id, kind
            ORDER BY order_count DESC, CASE WHEN kind = 'country' THEN 0 ELSE CAST(choice AS INTEGER) END, choice
        ) AS choice_rank
    FROM counted
)
SELECT
    customer_id,
    CAST(MAX(CASE WHEN kind = 'weekday' THEN choice END) AS BIGINT) AS preferred_weekday,
    CAST(MAX(CASE WHEN kind = 'hour' THEN choice END) AS BIGINT) AS preferred_hour,
    MAX(CASE WHEN kind = 'country' THEN choice END) AS home_country
FROM ranked
WHERE choice_rank = 1
GROUP BY customer_id
