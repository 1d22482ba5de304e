"""The feature catalogue: the one place that says what each feature is.

It feeds the tables' DDL and comments, Dagster's column schemas, the model's preprocessing and the scorer's schema.
Formulas live in `sql/`; a feature is a column of the stage named after its group, and a row here.
"""

from dataclasses import dataclass
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


@dataclass(frozen=True)
class Feature:
    """One feature of a customer as of a date.

    Attributes:
        name: Column name, with its unit.
        group: The table it belongs to, `features.<group>`.
        type: DuckDB type.
        unit: What a number counts: `days`, `money` (the shop's currency), `orders`, `share` (0–1), …
        description: What it means, in a sentence.
        transform: How a model makes it comparable; None where the model can't use it (text, scores, booleans).
        missing: What a model takes for NULL; None where the feature is never NULL.
        is_modelled: Whether models use it by default.
        formula: How it is computed, in the notation of `NOTATION`.
        compares_customers: Whether it ranks a customer among all of a snapshot; made by a stage of `population/`.
    """

    name: str
    group: Group
    type: Literal["DOUBLE", "BIGINT", "VARCHAR", "BOOLEAN"]
    unit: str
    description: str
    transform: Transform | None = None
    missing: Missing | None = None
    is_modelled: bool = False
    formula: str = ""
    compares_customers: bool = False


def _rfm() -> tuple[Feature, ...]:
    windows = (30, 90, 365)
    orders = tuple(
        Feature(
            f"orders_{days}d",
            "rfm",
            "BIGINT",
            "orders",
            f"Orders in the {days} days before as_of.",
            "log",
            is_modelled=days == 90,
            formula=f"number of tᵢ ≥ as_of − {days} d",
        )
        for days in windows
    )
    revenue = tuple(
        Feature(
            f"revenue_{days}d",
            "rfm",
            "DOUBLE",
            "money",
            f"Spend on purchases in the {days} days before as_of.",
            "log",
            is_modelled=days == 90,
            formula=f"Σ vᵢ with tᵢ ≥ as_of − {days} d",
        )
        for days in windows
    )
    scores = tuple(
        Feature(
            f"{letter}_score",
            "rfm",
            "BIGINT",
            "1–5",
            f"{what}; 5 is best, ties broken by customer id.",
            formula=formula,
            compares_customers=True,
        )
        for letter, what, formula in (
            ("r", "Quintile of recency", "NTILE(5) by −recency_days"),
            ("f", "Quintile of the number of orders", "NTILE(5) by order_count"),
            ("m", "Quintile of net revenue", "NTILE(5) by net_revenue"),
        )
    )
    return (
        Feature(
            "recency_days",
            "rfm",
            "DOUBLE",
            "days",
            "Time from the last order to as_of.",
            "log",
            None,
            True,
            formula="as_of − max tᵢ",
        ),
        Feature("order_count", "rfm", "BIGINT", "orders", "Orders in the window.", "log", None, True, formula="n"),
        Feature("gross_revenue", "rfm", "DOUBLE", "money", "Spend on purchase lines.", "log", formula="Σ vᵢ"),
        Feature(
            "returned_revenue",
            "rfm",
            "DOUBLE",
            "money",
            "Value of return lines, as a positive number.",
            "log",
            formula="−Σ amount of return lines",
        ),
        Feature(
            "net_revenue",
            "rfm",
            "DOUBLE",
            "money",
            "Gross revenue less returned revenue.",
            "signed_log",
            None,
            True,
            formula="gross_revenue − returned_revenue",
        ),
        Feature(
            "average_order_value",
            "rfm",
            "DOUBLE",
            "money",
            "Gross revenue per order.",
            "log",
            None,
            True,
            formula="Σ vᵢ / n",
        ),
        Feature(
            "median_order_value",
            "rfm",
            "DOUBLE",
            "money",
            "Median over orders of their spend.",
            "log",
            formula="median vᵢ",
        ),
        Feature("max_order_value", "rfm", "DOUBLE", "money", "Spend of the largest order.", "log", formula="max vᵢ"),
        *orders,
        *revenue,
        *scores,
        Feature(
            "rfm_segment",
            "rfm",
            "VARCHAR",
            "name",
            "Named segment of the recency score and the mean of frequency and monetary scores.",
            compares_customers=True,
            formula="of r_score and ⌊(f_score + m_score + 1) / 2⌋, by the table in `sql/population/60_rfm_scores.sql`",
        ),
    )


def _diversity() -> tuple[Feature, ...]:
    return (
        Feature(
            "distinct_products",
            "diversity",
            "BIGINT",
            "products",
            "Different products bought.",
            "log",
            None,
            True,
            formula="number of p",
        ),
        Feature(
            "distinct_categories",
            "diversity",
            "BIGINT",
            "categories",
            "Different categories bought.",
            "log",
            formula="number of c",
        ),
        Feature(
            "category_entropy",
            "diversity",
            "DOUBLE",
            "nats",
            "Shannon entropy of positive spend over categories; NULL where no category is known.",
            "identity",
            "median",
            is_modelled=True,
            formula="ln S − Σ s_c ln s_c / S, S = Σ s_c, over s_c > 0",
        ),
        Feature(
            "product_entropy",
            "diversity",
            "DOUBLE",
            "nats",
            "Shannon entropy of positive spend over products; NULL without positive spend.",
            "identity",
            "median",
            formula="ln S − Σ s_p ln s_p / S, S = Σ s_p, over s_p > 0",
        ),
        Feature(
            "top_category",
            "diversity",
            "VARCHAR",
            "name",
            "Category with the greatest spend; ties by its name.",
            formula="c with max s_c",
        ),
        Feature(
            "top_category_share",
            "diversity",
            "DOUBLE",
            "share",
            "Share of the top category in spend on known categories.",
            "identity",
            "median",
            formula="max s_c / Σ s_c",
        ),
        Feature(
            "repeat_product_share",
            "diversity",
            "DOUBLE",
            "share",
            "Share of the products bought that were bought in two or more orders.",
            "sqrt",
            formula="number of p with n_p ≥ 2 / number of p",
        ),
        Feature(
            "distinct_products_per_order",
            "diversity",
            "DOUBLE",
            "products",
            "Mean over orders of the number of different products.",
            "log",
            formula="Σ n_p / n",
        ),
    )


def _temporal() -> tuple[Feature, ...]:
    return (
        Feature(
            "tenure_days",
            "temporal",
            "DOUBLE",
            "days",
            "Time from the first order in the window to as_of.",
            "sqrt",
            is_modelled=True,
            formula="as_of − min tᵢ",
        ),
        Feature(
            "mean_gap_days",
            "temporal",
            "DOUBLE",
            "days",
            "Mean time between consecutive orders; NULL with one order.",
            "log",
            "maximum",
            is_modelled=True,
            formula="(max tᵢ − min tᵢ) / (n − 1)",
        ),
        Feature(
            "std_gap_days",
            "temporal",
            "DOUBLE",
            "days",
            "Sample standard deviation of those gaps; NULL with fewer than three orders.",
            "log",
            "median",
            formula="√(Σ (gⱼ − ḡ)² / (n − 2))",
        ),
        Feature(
            "active_months",
            "temporal",
            "BIGINT",
            "months",
            "Calendar months (UTC) with an order.",
            "log",
            is_modelled=True,
            formula="number of m",
        ),
        Feature(
            "monthly_spend_mean",
            "temporal",
            "DOUBLE",
            "money",
            "Mean spend of an active month.",
            "log",
            formula="Σ s_m / number of m",
        ),
        Feature(
            "monthly_spend_std",
            "temporal",
            "DOUBLE",
            "money",
            "Sample standard deviation of the spend of active months; NULL with one.",
            "log",
            "median",
            formula="√(Σ (s_m − s̄)² / (number of m − 1))",
        ),
        Feature(
            "spend_trend",
            "temporal",
            "DOUBLE",
            "money per month",
            "Slope of the least-squares line through the spend of active months; NULL with one.",
            "signed_log",
            "zero",
            formula="Σ (m − m̄)(s_m − s̄) / Σ (m − m̄)²",
        ),
        Feature(
            "preferred_weekday",
            "temporal",
            "BIGINT",
            "1–7",
            "ISO weekday (UTC, 1 is Monday) with the most orders; ties go to the earlier.",
            formula="weekday with most tᵢ",
        ),
        Feature(
            "preferred_hour",
            "temporal",
            "BIGINT",
            "0–23",
            "Hour of the day (UTC) with the most orders; ties go to the earlier.",
            formula="hour with most tᵢ",
        ),
        Feature(
            "weekend_order_share",
            "temporal",
            "DOUBLE",
            "share",
            "Share of orders placed on a Saturday or Sunday (UTC).",
            "identity",
            formula="number of tᵢ on weekday 6 or 7 / n",
        ),
        Feature(
            "seasonality_index",
            "temporal",
            "DOUBLE",
            "share",
            "1 - entropy of spend over the twelve calendar months / ln 12: 1 if all spend falls into one month of the "
            "year, 0 if it is even; NULL without positive spend.",
            "identity",
            "maximum",
            formula="1 − H / ln 12, H the entropy of s_m summed by month of the year",
        ),
    )


def _behaviour() -> tuple[Feature, ...]:
    return (
        Feature(
            "units_purchased",
            "behaviour",
            "DOUBLE",
            "units",
            "Units bought.",
            "log",
            formula="Σ quantity of purchase lines",
        ),
        Feature(
            "average_basket_units",
            "behaviour",
            "DOUBLE",
            "units",
            "Units per order.",
            "log",
            is_modelled=True,
            formula="units_purchased / n",
        ),
        Feature(
            "return_count",
            "behaviour",
            "BIGINT",
            "returns",
            "Return documents: orders with a return line.",
            "log",
            formula="number of order_id with a return line",
        ),
        Feature(
            "return_rate",
            "behaviour",
            "DOUBLE",
            "ratio",
            "Returned revenue over gross revenue; above 1 where earlier purchases came back; NULL without spend.",
            "sqrt",
            "zero",
            True,
            formula="returned_revenue / gross_revenue",
        ),
        Feature(
            "discount_share",
            "behaviour",
            "DOUBLE",
            "share",
            "Discount over the price of purchases before discount; NULL where that is zero.",
            "sqrt",
            "zero",
            True,
            formula="Σ discount / (Σ discount + gross_revenue)",
        ),
        Feature(
            "home_country",
            "behaviour",
            "VARCHAR",
            "name",
            "Country with the most orders; ties by its name; NULL where none is known.",
            formula="country with most orders",
        ),
        Feature(
            "is_home_market",
            "behaviour",
            "BOOLEAN",
            "yes/no",
            "Whether that is the shop's home market: the setting, else the country with the most lines in the window.",
            formula="home_country = home market",
        ),
        Feature(
            "distinct_channels",
            "behaviour",
            "BIGINT",
            "channels",
            "Known channels bought through.",
            "log",
            formula="number of channels of orders",
        ),
        Feature(
            "is_one_time_buyer",
            "behaviour",
            "BOOLEAN",
            "yes/no",
            "Whether there is exactly one order.",
            formula="n = 1",
        ),
    )


FEATURES: tuple[Feature, ...] = (*_rfm(), *_diversity(), *_temporal(), *_behaviour())
BY_NAME: dict[str, Feature] = {feature.name: feature for feature in FEATURES}


def of_group(group: Group) -> tuple[Feature, ...]:
    """The features of one group, in catalogue order."""
    return tuple(feature for feature in FEATURES if feature.group == group)


def modelled() -> tuple[Feature, ...]:
    """The features that models use by default."""
    return tuple(feature for feature in FEATURES if feature.is_modelled)
