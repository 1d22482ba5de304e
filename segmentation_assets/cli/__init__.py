"""The commands that need the asset graph, and what they do."""
