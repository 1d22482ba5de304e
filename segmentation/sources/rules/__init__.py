"""Rules: from the inputs of a profile to contract columns, and which lines are accepted."""
