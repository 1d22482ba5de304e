"""The stream under load and under fire: how late lines are, and whether each arrives once."""
