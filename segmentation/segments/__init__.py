"""Segments of customers: who is in which by the model that serves, how large and how typical each is, and who moves.

Names belong to the model (`segmentation.modeling`), what sets segments apart to `segmentation.explanations`.
"""
