-- How a customer's spend runs over the months with an order: sums for its deviation and its least-squares line.
SELECT
    customer_id,
    COUNT(*) AS active_months,
    SUM(spend) AS spend,
    SUM(exact_product(spend, spend)) AS squared_spend,
    SUM(month) AS month,
    SUM(month * month) AS squared_month,
    SUM(exact_product(month, spend)) AS month_spend
FROM months
GROUP BY customer_id
