"""Monitoring: what becomes of features and models after a model was trained, and what follows from it."""
