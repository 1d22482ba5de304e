"""Assets, one module per group. Each reads, calls a pure function of the domain, writes, and says what it did."""
