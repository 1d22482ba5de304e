"""Plots of a model, for MLflow and people. Only training imports matplotlib, and only here."""
