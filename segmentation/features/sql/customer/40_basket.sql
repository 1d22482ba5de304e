-- The products in the orders of the window.
SELECT customer_id, product_id, category, revenue
FROM order_products
WHERE ordered_at >= (SELECT window_start FROM snapshot) AND ordered_at < (SELECT as_of FROM snapshot)
