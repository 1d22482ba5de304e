-- The scores: quintiles over all customers of the snapshot (`measures`), ties broken by customer id. Names say nothing that
-- depends on a customer's own rhythm, so they use no word of segmentation/metadata/vocabulary.py.
WITH scored AS (
    SELECT
        customer_id,
        NTILE(5) OVER (ORDER BY recency_days DESC, customer_id) AS r_score,
        NTILE(5) OVER (ORDER BY order_count, customer_id) AS f_score,
        NTILE(5) OVER (ORDER BY net_revenue, customer_id) AS m_score
    FROM measures
),
graded AS (
    SELECT scored.*, FLOOR(CAST(f_score + m_score + 1 AS DOUBLE) / 2) AS fm_score
    FROM scored
)
SELECT
    customer_id,
    r_score,
    f_score,
    m_score,
    CASE
        WHEN r_score >= 4 AND fm_score >= 4 THEN 'Champions'
        WHEN r_score >= 4 AND fm_score >= 2 THEN 'Potential loyalists'
        WHEN r_score >= 4 THEN 'Recent small buyers'
        WHEN r_score = 3 AND fm_score >= 4 THEN 'Loyal customers'
        WHEN r_score = 3 AND fm_score >= 2 THEN 'Needing attention'
        WHEN r_score = 3 THEN 'About to sleep'
        WHEN r_score = 1 AND fm_score >= 4 THEN 'Cannot lose them'
        WHEN fm_score >= 3 THEN 'At risk'
        WHEN r_score = 2 THEN 'Hibernating'
        ELSE 'Long unseen'
    END AS rfm_segment
FROM graded
