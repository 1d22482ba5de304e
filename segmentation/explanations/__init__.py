"""Explanations: what sets a segment apart, and why a customer is in theirs."""
