-- Purchase lines of the window.
SELECT customer_id, order_id, product_id, category, quantity, amount, discount, ordered_at, country, channel
FROM lines
WHERE quantity > 0
