"""Features: what is known of a customer as of a date, by staged SQL on one of two engines, and the snapshots on record.

What each feature is, the feature catalogue says (`segmentation.metadata.features`).
"""
