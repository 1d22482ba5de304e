"""Whether a text looks like a table, from its beginning: notes and licences lie beside exports.

What its columns mean is found out elsewhere.
"""

import re
from itertools import pairwise

DELIMITERS = (b"\t", b";", b"|", b",")
LINES = 60
LEAST = 2
"""How often two lines one after the other have to have a delimiter, both as often."""


def has_table(start: bytes) -> bool:
    """Whether two lines one after the other have the same number of delimiters, at least two each."""
    lines = [line for line in re.split(rb"\r\n|\r|\n", start) if line.strip()][:LINES]
    pairs = list(pairwise(lines)) or [(line, line) for line in lines]
    return any(one.count(mark) == other.count(mark) >= LEAST for one, other in pairs for mark in DELIMITERS)
