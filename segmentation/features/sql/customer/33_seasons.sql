-- How evenly a customer's spend falls on the twelve months of the year: the sums that make its entropy.
SELECT
    customer_id,
    SUM(spend) AS spend,
    SUM(whole(spend_log_spend)) + SUM(trillionths(spend_log_spend)) / 1e12 AS spend_log_spend
FROM (
    SELECT customer_id, spend, log_weighted(spend) AS spend_log_spend
    FROM (
        SELECT customer_id, SUM(spend) AS spend
        FROM months
        GROUP BY customer_id, calendar_month
    ) AS by_calendar_month
    WHERE spend > 0
) AS terms
GROUP BY customer_id
