-- How wide a customer buys, with the sums that make the entropy of positive spend over products.
SELECT
    customer_id,
    COUNT(*) AS distinct_products,
    COUNT(CASE WHEN order_count >= 2 THEN 1 END) AS repeated_products,
    SUM(order_count) AS product_orders,
    SUM(CASE WHEN spend > 0 THEN spend END) AS spend,
    SUM(whole(spend_log_spend)) + SUM(trillionths(spend_log_spend)) / 1e12 AS spend_log_spend
FROM (
    SELECT *, CASE WHEN spend > 0 THEN log_weighted(spend) END AS spend_log_spend
    FROM products
) AS terms
GROUP BY customer_id
