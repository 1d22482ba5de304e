"""Asset checks, one module per group of assets. Those that guard meaning block what comes after them."""
