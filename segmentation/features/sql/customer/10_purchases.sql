-- Purchase lines of the window.
SELECT customer_id, order_id, product_id, category, amount, discount, ordered_at
FROM lines
WHERE quantity > 0
