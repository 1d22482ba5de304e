"""Training by several implementations on the same points: time, memory, and how good the centroids are for everybody.

`python -m benchmarks.training --help` says how to run it. Contenders fit 8 centroids and label every customer.
"""
