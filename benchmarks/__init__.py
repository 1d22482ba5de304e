"""Reproducible comparisons: each module prints a table of contenders measured in turn in one run."""
