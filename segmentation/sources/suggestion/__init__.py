"""Draft profiles for files that nobody has described yet: what a sample shows, and what it leaves open.

Everything here works on a sample in memory. Reading whole files through a profile is done elsewhere, as is showing it.
"""
