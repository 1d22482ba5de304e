"""Readers: where lines come from, and their values as they stand there. What they mean is not known here."""
