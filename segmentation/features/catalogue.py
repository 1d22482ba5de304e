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
    compares_customers: bool = False


def _rfm() -> tuple[Feature, ...]:
    windows = (30, 90, 365)
    orders = tuple(
        Feature(f"orders_{days}d", "rfm", "BIGINT", "orders", f"Orders in the {days} days before as_of.", "log")
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
            compares_customers=True,
        )
        for letter, what in (
            ("r", "Quintile of recency"),
            ("f", "Quintile of the number of orders"),
            ("m", "Quintile of net revenue"),
        )
    )
    return (
        Feature("recency_days", "rfm", "DOUBLE", "days", "Time from the last order to as_of.", "log", None, True),
        Feature("order_count", "rfm", "BIGINT", "orders", "Orders in the window.", "log", None, True),
        Feature("gross_revenue", "rfm", "DOUBLE", "money", "Spend on purchase lines.", "log"),
        Feature(
            "returned_revenue",
            "rfm",
            "DOUBLE",
            "money",
            "Value of return lines, as a positive number.",
            "log",
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
        ),
        Feature("average_order_value", "rfm", "DOUBLE", "money", "Gross revenue per order.", "log", None, True),
        Feature("median_order_value", "rfm", "DOUBLE", "money", "Median over orders of their spend.", "log"),
        Feature("max_order_value", "rfm", "DOUBLE", "money", "Spend of the largest order.", "log"),
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
        ),
        Feature("distinct_categories", "diversity", "BIGINT", "categories", "Different categories bought.", "log"),
        Feature(
            "category_entropy",
            "diversity",
            "DOUBLE",
            "nats",
            "Shannon entropy of positive spend over categories; NULL where no category is known.",
            "identity",
            "median",
        ),
        Feature(
            "product_entropy",
            "diversity",
            "DOUBLE",
            "nats",
            "Shannon entropy of positive spend over products; NULL without positive spend.",
            "identity",
            "median",
        ),
        Feature(
            "top_category",
            "diversity",
            "VARCHAR",
            "name",
            "Category with the greatest spend; ties by its name.",
        ),
        Feature(
            "top_category_share",
            "diversity",
            "DOUBLE",
            "share",
            "Share of the top category in spend on known categories.",
            "identity",
            "median",
        ),
        Feature(
            "repeat_product_share",
            "diversity",
            "DOUBLE",
            "share",
            "Share of the products bought that were bought in two or more orders.",
            "sqrt",
        ),
        Feature(
            "distinct_products_per_order",
            "diversity",
            "DOUBLE",
            "products",
            "Mean over orders of the number of different products.",
            "log",
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
        ),
        Feature(
            "mean_gap_days",
            "temporal",
            "DOUBLE",
            "days",
            "Mean time between consecutive orders; NULL with one order.",
            "log",
            "maximum",
        ),
        Feature(
            "std_gap_days",
            "temporal",
            "DOUBLE",
            "days",
            "Sample standard deviation of those gaps; NULL with fewer than three orders.",
            "log",
            "median",
        ),
        Feature("active_months", "temporal", "BIGINT", "months", "Calendar months (UTC) with an order.", "log"),
        Feature("monthly_spend_mean", "temporal", "DOUBLE", "money", "Mean spend of an active month.", "log"),
        Feature(
            "monthly_spend_std",
            "temporal",
            "DOUBLE",
            "money",
            "Sample standard deviation of the spend of active months; NULL with one.",
            "log",
            "median",
        ),
        Feature(
            "spend_trend",
            "temporal",
            "DOUBLE",
            "money per month",
            "Slope of the least-squares line through the spend of active months; NULL with one.",
            "signed_log",
            "zero",
        ),
        Feature(
            "preferred_weekday",
            "temporal",
            "BIGINT",
            "1–7",
            "ISO weekday (UTC, 1 is Monday) with the most orders; ties go to the earlier.",
        ),
        Feature(
            "preferred_hour",
            "temporal",
            "BIGINT",
            "0–23",
            "Hour of the day (UTC) with the most orders; ties go to the earlier.",
        ),
        Feature(
            "weekend_order_share",
            "temporal",
            "DOUBLE",
            "share",
            "Share of orders placed on a Saturday or Sunday (UTC).",
            "identity",
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
        ),
    )


def _behaviour() -> tuple[Feature, ...]:
    return (
        Feature("units_purchased", "behaviour", "DOUBLE", "units", "Units bought.", "log"),
        Feature("average_basket_units", "behaviour", "DOUBLE", "units", "Units per order.", "log"),
        Feature(
            "return_count", "behaviour", "BIGINT", "returns", "Return documents: orders with a return line.", "log"
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
        ),
        Feature(
            "home_country",
            "behaviour",
            "VARCHAR",
            "name",
            "Country with the most orders; ties by its name; NULL where none is known.",
        ),
        Feature(
            "is_home_market",
            "behaviour",
            "BOOLEAN",
            "yes/no",
            "Whether that is the shop's home market: the setting, else the country with the most lines in the window.",
        ),
        Feature("distinct_channels", "behaviour", "BIGINT", "channels", "Known channels bought through.", "log"),
        Feature("is_one_time_buyer", "behaviour", "BOOLEAN", "yes/no", "Whether there is exactly one order."),
    )


FEATURES: tuple[Feature, ...] = (*_rfm(), *_diversity(), *_temporal(), *_behaviour())
BY_NAME: dict[str, Feature] = {feature.name: feature for feature in FEATURES}


def of_group(group: Group) -> tuple[Feature, ...]:
    """The features of one group, in catalogue order."""
    return tuple(feature for feature in FEATURES if feature.group == group)


def modelled() -> tuple[Feature, ...]:
    """The features that models use by default."""
    return tuple(feature for feature in FEATURES if feature.is_modelled)
