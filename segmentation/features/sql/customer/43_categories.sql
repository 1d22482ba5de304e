-- One known category of one customer with its spend, and its rank by spend.
SELECT customer_id, category, spend, ROW_NUMBER() OVER (PARTITION BY customer_id ORDER BY spend DESC, category) AS spend_rank
FROM (
    SELECT customer_id, category, CAST(SUM(revenue) AS BIGINT) AS spend
    FROM basket
    WHERE category IS NOT NULL
    GROUP BY customer_id, category
) AS spent
