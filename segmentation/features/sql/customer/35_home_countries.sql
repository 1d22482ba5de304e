-- The country with the most orders, of customers who ordered from several; ties go to its name.
SELECT customer_id, country
FROM (
    SELECT
        purchases.customer_id,
        country,
        ROW_NUMBER() OVER (PARTITION BY purchases.customer_id ORDER BY COUNT(*) DESC, country) AS choice_rank
    FROM purchases
    JOIN order_totals ON order_totals.customer_id = purchases.customer_id AND first_country <> last_country
    WHERE country IS NOT NULL
    GROUP BY purchases.customer_id, country
) AS ranked
WHERE choice_rank = 1
