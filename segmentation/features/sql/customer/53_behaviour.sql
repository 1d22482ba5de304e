-- How a customer behaves around the purchase.
SELECT
    order_totals.customer_id,
    from_millionths(units) AS units_purchased,
    from_millionths(units) / order_count AS average_basket_units,
    COALESCE(return_count, 0) AS return_count,
    share(COALESCE(returned_revenue, 0), revenue) AS return_rate,
    share(discount, discount + revenue) AS discount_share,
    COALESCE(country, first_country) AS home_country,
    COALESCE(country, first_country) = snapshot.home_market AS is_home_market,
    COALESCE(distinct_channels, 0) AS distinct_channels,
    order_count = 1 AS is_one_time_buyer
FROM order_totals
CROSS JOIN snapshot
LEFT JOIN home_countries ON home_countries.customer_id = order_totals.customer_id
LEFT JOIN channel_totals ON channel_totals.customer_id = order_totals.customer_id
LEFT JOIN return_totals ON return_totals.customer_id = order_totals.customer_id
