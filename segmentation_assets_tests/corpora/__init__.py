"""Collections of input that grow, one entry for each case that was seen or thought of."""
