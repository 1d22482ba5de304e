"""Who may do what: API keys, kept in the lake as salted hashes. How a request carries one, the scorer knows."""
