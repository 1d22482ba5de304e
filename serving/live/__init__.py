"""What the scorer keeps up to date with the lake."""
