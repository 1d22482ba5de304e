"""Who does what in a trial, step by step. When they do it, and what befalls them, is not theirs to know."""
