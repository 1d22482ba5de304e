"""`@jitable`: marks what Numba compiles where the kernel is compiled. Here it stays plain Python, and Numba unknown."""

from collections.abc import Callable
from typing import Any, TypeVar

Function = TypeVar("Function", bound=Callable[..., Any])

JITABLE: list[Callable[..., Any]] = []
"""All functions that are marked, those that others call first."""


def jitable(function: Function) -> Function:
    """Mark a function of the kernel."""
    JITABLE.append(function)
    return function
