"""Snapshots: which there are, for which data and code, and whether they are current. One owner for all who ask."""
