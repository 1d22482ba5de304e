-- How a customer behaves around the purchase.
WITH bought AS (
    SELECT customer_id, SUM(discount) AS discount, CAST(SUM(units) AS DOUBLE) AS units_purchased
    FROM orders
    GROUP BY customer_id
)
SELECT
    rfm_measures.customer_id,
    units_purchased,
    units_purchased / order_count AS average_basket_units,
    COALESCE(return_count, 0) AS return_count,
    share(rfm_measures.returned_revenue, gross_revenue) AS return_rate,
    share(discount, CAST(discount AS DOUBLE) + gross_revenue) AS discount_share,
    home_country,
    home_country = snapshot.home_market AS is_home_market,
    COALESCE(distinct_channels, 0) AS distinct_channels,
    order_count = 1 AS is_one_time_buyer
FROM rfm_measures
CROSS JOIN snapshot
JOIN bought ON bought.customer_id = rfm_measures.customer_id
JOIN favourites ON favourites.customer_id = rfm_measures.customer_id
LEFT JOIN returns ON returns.customer_id = rfm_measures.customer_id
LEFT JOIN customer_channels ON customer_channels.customer_id = rfm_measures.customer_id
