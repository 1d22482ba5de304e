"""Refresh: what of a snapshot has to be computed, given those that are there, and how its rows get into the lake.

Which features age and when is in `ageing`, what a snapshot can be made from in `bases`, whose features may be others
than in a base in `touched`, the home market in `home_markets`; `planning` puts these together. `scores` compares all
customers of a snapshot, `replacing` writes. How features are computed from lines is not here.
"""
