"""Segments as people meet them: who is in which, what they are called, what sets them apart."""
