"""Spark beside the lake: sessions, reading its files and handing files to it. Nothing here knows what a feature is.

Importing these modules doesn't import PySpark, which is an extra; opening a session does.
"""
