"""What is known of a customer as of a date: the catalogue, the staged SQL and the engine that runs it."""
