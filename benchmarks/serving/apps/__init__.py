"""The servers that we compare with, written as their documentations and tutorials write them.

They run in processes of their own, perhaps in environments that have nothing of the platform: no import of it here.
"""
