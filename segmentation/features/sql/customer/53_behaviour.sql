-- How a customer behaves around the purchase.
SELECT
    customer_id,
    share(returned_revenue, gross_revenue) AS return_rate,
    order_count = 1 AS is_one_time_buyer
FROM rfm_measures
