-- How widely a customer's spend is spread over categories, with the sums that make its entropy.
SELECT
    customer_id,
    COUNT(*) AS distinct_categories,
    MAX(spend) AS top_spend,
    SUM(spend) AS all_spend,
    SUM(CASE WHEN spend > 0 THEN spend END) AS spend,
    SUM(whole(spend_log_spend)) + SUM(trillionths(spend_log_spend)) / 1e12 AS spend_log_spend
FROM (
    SELECT *, CASE WHEN spend > 0 THEN log_weighted(spend) END AS spend_log_spend
    FROM categories
) AS terms
GROUP BY customer_id
