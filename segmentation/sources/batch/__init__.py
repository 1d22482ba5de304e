"""Batch: files are registered, and the days that they cover are loaded as a whole."""
