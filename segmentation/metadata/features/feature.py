"""What a row of the feature catalogue says."""

from dataclasses import dataclass, field
from typing import Literal

Group = Literal["rfm", "diversity", "temporal", "behaviour"]
Transform = Literal["log", "signed_log", "sqrt", "identity"]
Missing = Literal["zero", "median", "maximum"]

GROUPS: tuple[Group, ...] = ("rfm", "diversity", "temporal", "behaviour")


NOTATION = """\
A customer's n orders in the window happen at times tᵢ and have the spend vᵢ; gⱼ are the n − 1 gaps between them.
Products p were bought for s_p in n_p orders, categories c for s_c; s_m was spent in month m, a month with an order.
"""
"""What the letters in formulas mean."""


@dataclass(frozen=True, kw_only=True)
class Feature:
    """One feature of a customer as of a date.

    Attributes:
        name: Column name, with its unit.
        group: The table it belongs to, `features.<group>`.
        type: DuckDB type.
        unit: What a number counts: `days`, `money` (the shop's currency), `orders`, `share` (0–1), …
        minimum: Smallest value that there can be; None where nothing bounds it, or it is no number.
        maximum: Largest one. A `BIGINT` is a whole number besides.
        description: What it means, in a sentence.
        transform: How a model makes it comparable; None where the model can't use it (text, scores, booleans).
        missing: What a model takes for NULL; None where the feature is never NULL.
        is_modelled: Whether models use it by default.
        formula: How it is computed, in the notation of `NOTATION`.
        compares_customers: Whether it ranks a customer among all of a snapshot; made by SQL, in `features/sql/`.
        ages: Whether it is the days from some moment to as_of, so that it grows with as_of while lines stay.
        value_sign: 1 where more of it may announce more spend but never less, -1 the other way round; None where either
            may be.
        within_days: Counts only what happened in so many days before as_of; None for the whole window.
    """

    name: str
    group: Group
    type: Literal["DOUBLE", "BIGINT", "VARCHAR", "BOOLEAN"]
    unit: str
    description: str
    minimum: float | None = field(default=None, repr=False)  # code_version is of what is computed, by its repr
    maximum: float | None = field(default=None, repr=False)
    transform: Transform | None = None
    missing: Missing | None = None
    is_modelled: bool = False
    formula: str = ""
    compares_customers: bool = False
    ages: bool = False
    within_days: int | None = None
    value_sign: Literal[1, -1] | None = field(default=None, repr=False)
