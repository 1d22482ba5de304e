"""Metrics: what Prometheus is told of the lake and the model."""
