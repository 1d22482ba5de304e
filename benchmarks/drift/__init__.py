"""What drift detection finds, and what it calls it, where the truth is known."""
