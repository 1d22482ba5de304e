-- One known category of one customer: spend.
SELECT customer_id, category, CAST(SUM(revenue) AS BIGINT) AS spend
FROM basket
WHERE category IS NOT NULL
GROUP BY customer_id, category
