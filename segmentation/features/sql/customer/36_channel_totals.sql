-- How many known channels a customer bought through.
SELECT customer_id, COUNT(*) AS distinct_channels
FROM (SELECT DISTINCT customer_id, channel FROM purchases WHERE channel IS NOT NULL) AS used
GROUP BY customer_id
