-- One known category of one customer with its spend, and its rank by spend.
WITH spent AS (
    SELECT customer_id, category, CAST(SUM(amount) AS DOUBLE) AS spend
    FROM purchases
    WHERE category IS NOT NULL
    GROUP BY customer_id, category
)
SELECT
    customer_id,
    category,
    spend,
    ROW_NUMBER() OVER (PARTITION BY customer_id ORDER BY spend DESC, category) AS spend_rank
FROM spent
