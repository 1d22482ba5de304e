"""Customers scored over HTTP by several servers: latency, throughput, CPU and memory of the server, equal answers.

`python -m benchmarks.serving --help` says how to run it. All serve the same model; the others as people usually would.
"""
