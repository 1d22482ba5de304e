-- One calendar month of the shop in which a customer ordered, with its spend.
SELECT customer_id, month, MAX(calendar_month) AS calendar_month, CAST(SUM(revenue) AS BIGINT) AS spend
FROM purchases
GROUP BY customer_id, month
