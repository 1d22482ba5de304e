-- One order: its purchase lines; it happens at the earliest of them. Where lines disagree, the smallest country and
-- the smallest channel count.
SELECT
    part.*,
    LAG(ordered_at) OVER (PARTITION BY customer_id ORDER BY ordered_at) AS previous_ordered_at
FROM (
    SELECT
        customer_id,
        order_id,
        MIN(ordered_at) AS ordered_at,
        MAX(ordered_at) AS last_line_at,
        CAST(SUM(amount) AS BIGINT) AS revenue,
        CAST(SUM(discount) AS BIGINT) AS discount,
        CAST(SUM(quantity) AS BIGINT) AS units,
        MIN(country) AS country,
        MIN(channel) AS channel
    FROM lines
    WHERE quantity > 0
    GROUP BY customer_id, order_id
) AS part
