"""Incremental: what a source delivers (a push, a batch of a stream, a page of a table) is upserted at once."""
