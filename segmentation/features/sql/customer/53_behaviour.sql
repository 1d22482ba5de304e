-- How a customer behaves around the purchase.
WITH discounts AS (
    SELECT customer_id, SUM(discount) AS discount
    FROM orders
    GROUP BY customer_id
)
SELECT
    rfm_measures.customer_id,
    share(returned_revenue, gross_revenue) AS return_rate,
    share(discount, CAST(discount AS DOUBLE) + gross_revenue) AS discount_share,
    order_count = 1 AS is_one_time_buyer
FROM rfm_measures
JOIN discounts ON discounts.customer_id = rfm_measures.customer_id
