"""The scorer: a Litestar service that answers from the champion model and the lake, and never writes.

Nothing here imports Dagster or scikit-learn; what a segment is, the domain knows (`segmentation`).
"""
