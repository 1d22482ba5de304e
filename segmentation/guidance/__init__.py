"""What to do next with a lake: what state it is in, and the three steps that fit. It only reads, and makes no lake."""
