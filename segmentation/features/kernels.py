"""The kernel as engines call it: compiled or interpreted, behind one face, and which of them pays."""

from dataclasses import dataclass, replace
from typing import Any, Self

import numpy as np

from segmentation.features.compiled_kernel import CompiledKernel, can_compile, compiled_kernel, is_cached
from segmentation.features.kernel import arranging, customers
from segmentation.features.kernel.memory import Arrays, Memory, PlainObjects

INTERPRETED_S_PER_LINE = 8e-6
INTERPRETED_S_PER_ROW = 1e-4
"""What lines, and customers by date, cost where the kernel is interpreted; measured on one core, roughly."""

LOADING_S = 1.0
COMPILING_S = 15.0
"""What compiled code costs at first: to load it from the cache, or to compile it; measured as well."""


@dataclass(frozen=True)
class Kernel:
    """One of the two ways in which the kernel runs; each thread needs one of its own, for its memory.

    Attributes:
        functions: What is called from outside.
        memory: Makes what they work on.
        is_compiled: Which of the two it is.
    """

    functions: CompiledKernel
    memory: Memory
    is_compiled: bool

    def for_another_thread(self) -> Self:
        """The same, with memory of its own."""
        return replace(self, memory=type(self.memory)())

    def column(self, values: np.ndarray) -> Any:
        """Numbers as the functions take them: lists, or read-only arrays, which are a type of their own to Numba."""
        if not self.is_compiled:
            return values.tolist()
        column = values.view()
        column.setflags(write=False)
        return column


def compiled() -> Kernel:
    """The kernel, compiled by Numba."""
    return Kernel(compiled_kernel(), Arrays(), is_compiled=True)


def interpreted() -> Kernel:
    """The kernel as it stands there."""
    functions = CompiledKernel(
        arranging.find_runs, arranging.number_names, arranging.count_lines, arranging.arrange, customers.fill_rows
    )
    return Kernel(functions, PlainObjects(), is_compiled=False)


def choose_kernel(lines: int, rows: int) -> Kernel:
    """The one that is sooner done.

    Args:
        lines: How many order lines there are.
        rows: About how many rows of features they make.
    """
    return compiled() if can_compile() and is_worth_compiling(lines, rows) else interpreted()


def is_worth_compiling(lines: int, rows: int) -> bool:
    """Whether compiled code is sooner done, where there is any; for what is meant, see `choose_kernel`."""
    seconds = lines * INTERPRETED_S_PER_LINE + rows * INTERPRETED_S_PER_ROW
    return seconds > (LOADING_S if is_cached() else COMPILING_S)
