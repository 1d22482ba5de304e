"""What every request passes: identification, limits, deadlines, metrics, the fast path."""
