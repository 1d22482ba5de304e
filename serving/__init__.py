"""The scorer: a Litestar service that answers from the champion model and the lake.

It writes in two places only: `services.pushing` adds order lines that clients deliver, `services.promotion` runs the
command that promotes or rolls back a model. All else reads, through a lake that is opened read-only (`live.reader`).
Nothing here imports Dagster or scikit-learn; what a segment is, the domain knows (`segmentation`).
"""
