"""Predictions: what to expect of each customer, from an artefact that NumPy evaluates.

What is fitted is under `fitting`, which needs SciPy; everything else is also in the scorer's process, which has none.
"""
