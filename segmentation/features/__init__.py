"""Features: what is known of a customer as of a date, by one kernel on each engine, and the snapshots on record.

What each feature is, the feature catalogue says (`segmentation.metadata.features`), and `kernel` computes.
"""
