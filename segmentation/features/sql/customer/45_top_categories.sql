-- The category with the greatest spend; ties go to its name.
SELECT categories.customer_id, MIN(category) AS top_category
FROM categories
JOIN category_totals ON category_totals.customer_id = categories.customer_id AND top_spend = categories.spend
GROUP BY categories.customer_id
