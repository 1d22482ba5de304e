"""What tests and benchmarks share: servers that they start, small lakes, ways to wait. It imports neither of them."""
