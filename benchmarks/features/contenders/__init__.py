"""The ways to compute the features, one module each; imported only by the process that runs them."""
