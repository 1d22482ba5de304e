"""Fitting: from features to a model space, and centroids in it."""
