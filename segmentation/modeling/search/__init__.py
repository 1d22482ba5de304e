"""Search: which specification divides the customers best, with a record of every trial."""
