"""What drift can come from: names that drift, its metrics and its checks share."""

from typing import Literal, get_args

Cause = Literal["data_quality", "behaviour", "mix"]
CAUSES: tuple[Cause, ...] = get_args(Cause)
"""The gravest first."""
