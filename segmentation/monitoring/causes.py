"""What drift can come from: a name that judging, deciding and telling share."""

from typing import Literal, get_args

Cause = Literal["data_quality", "behaviour", "mix"]
CAUSES: tuple[Cause, ...] = get_args(Cause)
"""The gravest first."""
