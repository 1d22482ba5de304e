"""The features of one customer by number of lines: CPU in process and over REST, beside another checkout's code.

`python -m benchmarks.one_customer --help` says how to run it. Timings never become tests; that the answers agree does.
"""
