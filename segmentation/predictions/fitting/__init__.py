"""Fitting what predictions are made from, with SciPy; nothing here is imported by the scorer."""
