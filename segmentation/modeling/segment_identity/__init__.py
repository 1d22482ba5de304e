"""The identity of a segment: which one it is across retrains, what it descends from, and what people call it."""
