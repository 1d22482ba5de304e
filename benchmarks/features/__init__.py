"""Features by several engines on the same lines: are the answers the same, and what does each take?

`python -m benchmarks.features --help` says how to run it. Timings never become tests; that the answers agree does.
"""
