"""The words that segments are called by: what each claims of a customer, as a condition that can be tested.

One word has one meaning everywhere: in names of segments, in advice, and wherever else it stands. `named` and
`words_of` turn words into a name and back, so that every name says what it claims. How many customers a word is true of
is measured in `segmentation.modeling.segment_identity.truth`. Names of RFM cells (`features/sql/rfm_scores.sql`) are
made of quintiles, and causes of movement of who is in two snapshots, not of anybody's own rhythm, so they use none of
these words.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

Kind = Literal["value", "state", "behaviour"]

NEW_DAYS = 90
"""A customer is new for so long after the first order of the look-back window."""

COOLING_AFTER, LAPSED_AFTER = 2, 4
"""So many expected gaps without an order. With 2, nobody within their own mean gap is ever cooling (decision 37)."""

AWAY = frozenset({"cooling", "lapsed"})
"""Words of customers who are not likely to come back by themselves."""

NAMED_FROM = (
    "recency_days",
    "tenure_days",
    "order_count",
    "net_revenue",
    "gross_revenue",
    "units_purchased",
    "average_order_value",
    "average_basket_units",
    "distinct_products",
    "distinct_products_per_order",
    "repeat_product_share",
    "top_category_share",
    "distinct_categories",
    "distinct_channels",
    "return_rate",
    "discount_share",
    "weekend_order_share",
    "seasonality_index",
    "active_months",
    "is_home_market",
)
"""The features that words, descriptions and advice are made from."""

QUANTILES = {
    "net_revenue": (25, 33, 75, 90),
    "average_order_value": (25, 67, 75),
    "average_basket_units": (25, 75),
    "unit_price": (25, 75),
    "order_count": (75,),
    "distinct_products_per_order": (75,),
    "repeat_product_share": (75,),
    "discount_share": (75,),
    "top_category_share": (25,),
    "weekend_order_share": (50,),
    "seasonality_index": (75,),
}
"""Percentiles of all customers that conditions may compare with, as `shop.<measure>_p<percent>`."""


@dataclass(frozen=True)
class Word:
    """A claim about one customer.

    Attributes:
        label: The word, as it stands inside of a name.
        kind: `value` and `state` stand first in a name, a word of each at most; `behaviour` follows.
        condition: The same in SQL, over the features of `NAMED_FROM`, the measures `expected_gap_days` (days after
            which this customer's next order is due) and `unit_price`, and `shop.` percentiles. NULL counts as false.
        meaning: What it says of a customer, for people.
        feature: A feature of which the word claims more, or less; empty if it claims neither. A segment's typical value
            must lie on that side of everybody's, as explanations show it.
        sign: 1 for more, -1 for less.
    """

    label: str
    kind: Kind
    condition: str
    meaning: str
    feature: str = ""
    sign: Literal[-1, 0, 1] = 0

    @property
    def is_away(self) -> bool:
        """Whether it says of customers that they are not likely to come back by themselves."""
        return self.label in AWAY


@dataclass(frozen=True)
class Band:
    """A claim in figures: a feature between two bounds, where no word tells segments apart.

    Attributes:
        feature: One of `BANDS`.
        low: The least value, None for no bound.
        high: The greatest value, None for no bound.
    """

    feature: str
    low: float | None
    high: float | None

    @property
    def label(self) -> str:
        """As it stands inside of a name."""
        return BANDS[self.feature].format(_span(self.low, self.high))

    @property
    def condition(self) -> str:
        """The same in SQL."""
        bounds = (("<=", self.high), (">=", self.low))
        return " AND ".join(f"{self.feature} {sign} {bound!r}" for sign, bound in bounds if bound is not None)

    @property
    def meaning(self) -> str:
        """For people."""
        return f"have {self.label}"

    @property
    def is_away(self) -> bool:
        """Figures say nothing about anybody's rhythm."""
        return False

    @property
    def sign(self) -> Literal[0]:
        """Figures say neither more nor less."""
        return 0


Claim = Word | Band

VALUE = (
    Word(
        "top value",
        "value",
        "net_revenue > 0 AND net_revenue >= shop.net_revenue_p90",
        "are among the tenth with the most net revenue",
        "net_revenue",
        1,
    ),
    Word(
        "high value",
        "value",
        "net_revenue > 0 AND net_revenue >= shop.net_revenue_p75",
        "are in the best quarter by net revenue",
        "net_revenue",
        1,
    ),
    Word(
        "low value",
        "value",
        "net_revenue <= shop.net_revenue_p33",
        "are in the third with the least net revenue",
        "net_revenue",
        -1,
    ),
    Word(
        "mid value",
        "value",
        "net_revenue >= shop.net_revenue_p25 AND net_revenue <= shop.net_revenue_p75",
        "are in the middle half by net revenue",
    ),
)
"""The most specific first."""

STATE = (
    Word(
        "new",
        "state",
        f"tenure_days <= {NEW_DAYS}",
        f"had their first order in the last {NEW_DAYS} days",
        "tenure_days",
        -1,
    ),
    Word(
        "promising",
        "state",
        f"tenure_days <= {NEW_DAYS} AND (order_count >= 2 OR average_order_value >= shop.average_order_value_p67)",
        "are new, and have ordered again already or ordered for more than two thirds of customers do",
        "tenure_days",
        -1,
    ),
    Word(
        "lapsed",
        "state",
        f"recency_days > {LAPSED_AFTER} * expected_gap_days",
        f"have been away for more than {LAPSED_AFTER} of their usual gaps between orders",
    ),
    Word(
        "cooling",
        "state",
        f"recency_days > {COOLING_AFTER} * expected_gap_days",
        f"have been away for more than {COOLING_AFTER} of their usual gaps between orders",
    ),
    Word(
        "active",
        "state",
        "recency_days <= 1.5 * expected_gap_days",
        "ordered within one and a half of their usual gaps between orders",
    ),
)
"""The most specific first."""

BEHAVIOUR = (
    Word(
        "discount-driven",
        "behaviour",
        "discount_share >= GREATEST(0.1, shop.discount_share_p75)",
        "get a tenth or more off, and more than three quarters of customers do",
        "discount_share",
        1,
    ),
    Word("full-price", "behaviour", "COALESCE(discount_share, 0) <= 0.01", "pay the full price", "discount_share", -1),
    Word(
        "return-prone", "behaviour", "return_rate >= 0.1", "return a tenth or more of what they buy", "return_rate", 1
    ),
    Word("nothing kept", "behaviour", "net_revenue <= 0", "have returned all that they bought", "net_revenue", -1),
    Word(
        "big-ticket",
        "behaviour",
        "average_order_value >= shop.average_order_value_p75",
        "place larger orders than three quarters of customers do",
        "average_order_value",
        1,
    ),
    Word(
        "small-ticket",
        "behaviour",
        "average_order_value <= shop.average_order_value_p25",
        "place smaller orders than three quarters of customers do",
        "average_order_value",
        -1,
    ),
    Word(
        "frequent",
        "behaviour",
        "order_count >= GREATEST(3, shop.order_count_p75)",
        "order at least thrice, and as often as the best quarter of customers",
        "order_count",
        1,
    ),
    Word("one order", "behaviour", "order_count = 1", "have ordered once", "order_count", -1),
    Word("few orders", "behaviour", "order_count <= 2", "have ordered once or twice", "order_count", -1),
    Word(
        "big baskets",
        "behaviour",
        "average_basket_units >= GREATEST(2, shop.average_basket_units_p75)",
        "buy more units per order than three quarters of customers do",
        "average_basket_units",
        1,
    ),
    Word(
        "small baskets",
        "behaviour",
        "average_basket_units <= shop.average_basket_units_p25",
        "buy fewer units per order than three quarters of customers do",
        "average_basket_units",
        -1,
    ),
    Word(
        "premium items",
        "behaviour",
        "unit_price >= shop.unit_price_p75",
        "pay more per unit than three quarters of customers do",
    ),
    Word(
        "low-priced items",
        "behaviour",
        "unit_price <= shop.unit_price_p25",
        "pay less per unit than three quarters of customers do",
    ),
    Word(
        "varied orders",
        "behaviour",
        "distinct_products_per_order >= GREATEST(2, shop.distinct_products_per_order_p75)",
        "order more different products at a time than three quarters of customers do",
        "distinct_products_per_order",
        1,
    ),
    Word(
        "one category",
        "behaviour",
        "top_category_share >= 0.9 AND order_count >= 2 AND shop.top_category_share_p25 < 0.9",
        "come again for one category, which has nine tenths of their spend, in a shop where that isn't usual",
        "top_category_share",
        1,
    ),
    Word(
        "many categories",
        "behaviour",
        "distinct_categories >= 3 AND top_category_share <= 0.5",
        "spread their spend: no category has more than half of it",
        "top_category_share",
        -1,
    ),
    Word(
        "same products again",
        "behaviour",
        "repeat_product_share >= GREATEST(0.2, shop.repeat_product_share_p75) AND distinct_products >= 2",
        "buy a fifth or more of their products again",
        "repeat_product_share",
        1,
    ),
    Word(
        "weekend",
        "behaviour",
        "weekend_order_share >= 0.6 AND order_count >= 2 AND shop.weekend_order_share_p50 < 0.6",
        "place three in five orders or more at weekends, where most customers don't",
        "weekend_order_share",
        1,
    ),
    Word(
        "seasonal",
        "behaviour",
        "seasonality_index >= GREATEST(0.5, shop.seasonality_index_p75) AND order_count >= 3",
        "spend in a few months of the year, over three orders or more",
        "seasonality_index",
        1,
    ),
    Word(
        "several channels",
        "behaviour",
        "distinct_channels >= 2",
        "buy through two channels or more",
        "distinct_channels",
        1,
    ),
    Word("abroad", "behaviour", "is_home_market = 0", "order from outside of the shop's home market"),
    Word(
        "long-standing",
        "behaviour",
        "tenure_days >= 270",
        "had their first order nine months ago or longer",
        "tenure_days",
        1,
    ),
)

WORDS: tuple[Word, ...] = (*VALUE, *STATE, *BEHAVIOUR)
BY_LABEL = {word.label: word for word in WORDS}

MIXED, EMPTY = "Mixed", "Empty"
"""Names that claim nothing: of a segment of which no word is true, and of one without customers."""

BANDS = {
    "order_count": "{} orders",
    "average_order_value": "orders of {}",
    "recency_days": "last order {} days ago",
    "net_revenue": "net revenue of {}",
    "average_basket_units": "{} units an order",
    "tenure_days": "first order {} days ago",
}
"""Features that figures may name, and how."""

_FIGURE = r"-?[\d,]+(?:\.\d+)?"
_BAND_PATTERNS = {
    feature: re.compile("^" + re.escape(pattern).replace(r"\{\}", r"(.+)") + "$") for feature, pattern in BANDS.items()
}
_SPAN = re.compile(rf"^(?:(?P<low>{_FIGURE}) to (?P<high>{_FIGURE})|up to (?P<most>{_FIGURE})|(?P<least>{_FIGURE})\+)$")
_NUMBER = re.compile(r" \(\d+\)$")


def named(claims: Iterable[Claim]) -> str:
    """The name that makes these claims: value and state first, what they do behind a dot.

    For example "High value, cooling · discount-driven", "New, promising", "Big-ticket, few orders".
    """
    parts: dict[bool, list[str]] = {True: [], False: []}
    for claim in sorted(claims, key=_position):
        parts[isinstance(claim, Word) and claim.kind != "behaviour"].append(claim.label)
    text = " · ".join(", ".join(labels) for labels in parts.values() if labels)
    return text[:1].upper() + text[1:] if text else MIXED


def words_of(name: str) -> tuple[Claim, ...] | None:
    """What a name claims; None if it isn't made of these words, as people's own names are not.

    A number behind it, which tells two of a name apart, claims nothing.
    """
    bare = _NUMBER.sub("", name)
    if bare in (MIXED, EMPTY):
        return ()
    claims = [_claim(part) for part in re.split(r" · |, ", bare[:1].lower() + bare[1:])]
    known = tuple(claim for claim in claims if claim is not None)
    return known if len(known) == len(claims) and named(known) == bare else None


def mentioned(name: str) -> tuple[Word, ...]:
    """The words that occur in somebody's own name, as whole words in any case."""
    found = [word for word in WORDS if re.search(rf"\b{re.escape(word.label)}\b", name, re.IGNORECASE)]
    return tuple(word for word in found if not any(word.label in other.label and word != other for other in found))


def figure(value: float) -> str:
    """A figure of a band as a name writes it; `float` of it without commas gives it back."""
    return f"{int(value):,}" if value == int(value) else f"{value:,}"


def _claim(label: str) -> Claim | None:
    if label in BY_LABEL:
        return BY_LABEL[label]
    for feature, pattern in _BAND_PATTERNS.items():
        found = pattern.match(label)
        span = _SPAN.match(found.group(1)) if found else None
        if span:
            low, high = span["low"] or span["least"], span["high"] or span["most"]
            return Band(feature, _number(low), _number(high))
    return None


def _number(text: str | None) -> float | None:
    return None if text is None else float(text.replace(",", ""))


def _span(low: float | None, high: float | None) -> str:
    if low is None and high is None:
        raise ValueError("A band has a bound.")
    if low is None:
        return f"up to {figure(high or 0.0)}"
    return f"{figure(low)}+" if high is None else f"{figure(low)} to {figure(high)}"


def _position(claim: Claim) -> tuple[int, int]:
    return (0, WORDS.index(claim)) if isinstance(claim, Word) else (1, list(BANDS).index(claim.feature))
