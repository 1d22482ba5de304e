"""The kinds of customers of the synthetic shop, as data.

A customer follows one archetype with traits of their own around it, so that archetypes overlap as real
segments do. How a trait becomes an order or a line is decided in `customers`, `seasons` and `purchases`.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from segmentation.synthetic.assortment import FASHION, GIFTS, HOME, KITCHEN, OFFICE, PANTRY, TECH

HOME_MARKET = "United Kingdom"
FOREIGN_MARKETS: Mapping[str, float] = {
    "Germany": 0.26,
    "France": 0.22,
    "Ireland": 0.18,
    "Netherlands": 0.12,
    "Spain": 0.09,
    "Belgium": 0.07,
    "Norway": 0.06,
}
CHANNELS: Mapping[str, float] = {"web": 5, "app": 3, "store": 2, "marketplace": 0.5, "phone": 0.1}


@dataclass(frozen=True)
class Rhythm:
    """When in the week and in the day somebody orders.

    Attributes:
        weekdays: Relative activity from Monday to Sunday.
        hours: Relative activity in each hour of the day, in UTC.
    """

    weekdays: tuple[float, ...]
    hours: tuple[float, ...]


EVENINGS = Rhythm(
    weekdays=(1.05, 0.95, 0.95, 1.0, 0.9, 0.95, 1.2),
    hours=(2, 1, 0.5, 0.3, 0.3, 0.5, 1.5, 3, 4, 5, 5, 5, 6, 5, 5, 5, 5, 6, 7, 9, 11, 11, 8, 4),
)
OFFICE_HOURS = Rhythm(
    weekdays=(1.35, 1.4, 1.35, 1.3, 1.1, 0.3, 0.2),
    hours=(0.2, 0.1, 0.1, 0.1, 0.1, 0.3, 1, 4, 9, 12, 13, 11, 7, 9, 11, 10, 7, 4, 2, 1, 1, 0.7, 0.5, 0.3),
)
WEEKENDS = Rhythm(
    weekdays=(0.75, 0.7, 0.75, 0.8, 1.0, 1.65, 1.35),
    hours=(1, 0.5, 0.3, 0.2, 0.2, 0.3, 1, 2, 4, 7, 10, 11, 10, 9, 9, 8, 8, 7, 6, 6, 6, 5, 3, 2),
)

EVERYDAY_SEASON = (0.92, 0.84, 0.92, 0.93, 0.95, 0.94, 0.92, 0.9, 0.97, 1.03, 1.28, 1.4)
TRADE_SEASON = (0.85, 0.88, 0.95, 0.96, 0.98, 0.97, 0.9, 0.92, 1.1, 1.24, 1.3, 0.95)
GIFT_SEASON = (0.3, 0.75, 0.75, 0.5, 0.6, 0.6, 0.45, 0.4, 0.5, 0.8, 2.35, 4.0)
HOLIDAY_SEASON = (0.15, 0.15, 0.3, 0.45, 0.15, 0.15, 0.3, 0.2, 0.2, 0.75, 3.7, 5.5)
SALES_SEASON = (1.5, 0.85, 0.8, 0.8, 0.8, 1.0, 1.2, 0.8, 0.75, 0.85, 1.6, 1.05)


@dataclass(frozen=True)
class Archetype:
    """A kind of customer. Rates are means over its customers.

    Attributes:
        name: What it is called in `archetypes.parquet`.
        share: Share of all customers.
        orders_per_year: Orders in a year of activity; every customer has at least one.
        lines_per_order: Lines in an order.
        joined: When its customers arrived, in fractions of the window; negative is before it.
        left: When they leave, in fractions of the window; above 1 is after it.
        season: Relative activity from January to December.
        rhythm: Weekdays and hours.
        channels: Relative use of the channels.
        rate_shape: Shape of the gamma distribution of order rates and basket sizes: small is diverse.
        quantity: Median units of a product of ordinary price in a line.
        quantity_spread: Standard deviation of the log of the units.
        price_factor: Unit price relative to the list price.
        premium_taste: From -1, who takes the cheaper of two products, to 1, who takes the dearer.
        discount_share: Share of lines with a discount.
        discount_depth: Mean share of the price that a discount takes off.
        return_share: Share of lines that come back, for goods that come back averagely often.
        categories: Smallest and largest number of categories a customer shops in.
        repeat_share: Share of lines that buy the customer's usual product again.
        home_share: Share of customers who live in the home market.
        tastes: Relative interest by category or else by department; 1 where neither is named.
    """

    name: str
    share: float
    orders_per_year: float
    lines_per_order: float
    joined: tuple[float, float]
    left: tuple[float, float]
    season: tuple[float, ...]
    rhythm: Rhythm
    channels: Mapping[str, float]
    rate_shape: float = 6.0
    quantity: float = 1.2
    quantity_spread: float = 0.45
    price_factor: float = 1.0
    premium_taste: float = 0.0
    discount_share: float = 0.15
    discount_depth: float = 0.15
    return_share: float = 0.05
    categories: tuple[int, int] = (4, 12)
    repeat_share: float = 0.2
    home_share: float = 0.8
    tastes: Mapping[str, float] = field(default_factory=dict)


ARCHETYPES: tuple[Archetype, ...] = (
    Archetype(
        name="champions",
        share=0.07,
        orders_per_year=28,
        lines_per_order=4.4,
        joined=(-2.0, 0.15),
        left=(1.0, 2.0),
        season=EVERYDAY_SEASON,
        rhythm=EVENINGS,
        channels={"web": 3, "app": 6, "store": 1},
        rate_shape=10.0,
        premium_taste=0.35,
        discount_share=0.12,
        return_share=0.06,
        categories=(18, 32),
        repeat_share=0.35,
        home_share=0.85,
    ),
    Archetype(
        name="loyal",
        share=0.2,
        orders_per_year=10.5,
        lines_per_order=3.0,
        joined=(-2.0, 0.5),
        left=(1.0, 2.0),
        season=EVERYDAY_SEASON,
        rhythm=EVENINGS,
        channels={"web": 5, "app": 3, "store": 2},
        premium_taste=0.1,
        discount_share=0.12,
        return_share=0.04,
        categories=(8, 16),
        repeat_share=0.4,
        home_share=0.85,
        tastes={PANTRY: 2.0},
        rate_shape=10.0,
    ),
    Archetype(
        name="bargain_hunters",
        share=0.16,
        orders_per_year=8,
        lines_per_order=3.0,
        joined=(-1.5, 0.6),
        left=(0.9, 1.8),
        season=SALES_SEASON,
        rhythm=EVENINGS,
        channels={"web": 3, "app": 4, "marketplace": 4},
        premium_taste=-0.6,
        discount_share=0.75,
        discount_depth=0.3,
        return_share=0.1,
        categories=(6, 16),
        tastes={FASHION: 2.5, TECH: 0.5},
    ),
    Archetype(
        name="one_time_gift_buyers",
        share=0.15,
        orders_per_year=0.08,
        lines_per_order=1.7,
        joined=(0.0, 0.7),
        left=(1.0, 2.0),
        season=GIFT_SEASON,
        rhythm=EVENINGS,
        channels={"web": 8, "marketplace": 2},
        premium_taste=0.1,
        discount_share=0.1,
        return_share=0.02,
        categories=(1, 3),
        repeat_share=0.0,
        home_share=0.7,
        tastes={GIFTS: 8.0, FASHION: 1.5, PANTRY: 0.3, OFFICE: 0.1},
    ),
    Archetype(
        name="wholesalers",
        share=0.03,
        orders_per_year=12,
        lines_per_order=9.0,
        joined=(-2.0, 0.3),
        left=(1.0, 2.0),
        season=TRADE_SEASON,
        rhythm=OFFICE_HOURS,
        channels={"web": 5, "phone": 5},
        rate_shape=4.0,
        quantity=8.0,
        quantity_spread=0.6,
        price_factor=0.82,
        discount_share=0.3,
        discount_depth=0.1,
        return_share=0.02,
        categories=(6, 16),
        repeat_share=0.5,
        home_share=0.55,
        tastes={OFFICE: 3.0, GIFTS: 2.5, KITCHEN: 2.0, TECH: 0.4},
    ),
    Archetype(
        name="lapsing",
        share=0.13,
        orders_per_year=9,
        lines_per_order=2.8,
        joined=(-2.0, 0.1),
        left=(0.35, 0.75),
        season=EVERYDAY_SEASON,
        rhythm=EVENINGS,
        channels={"web": 7, "app": 1, "store": 2},
        discount_share=0.15,
        return_share=0.06,
        categories=(5, 14),
    ),
    Archetype(
        name="new",
        share=0.11,
        orders_per_year=18,
        lines_per_order=2.4,
        joined=(0.86, 0.98),
        left=(1.2, 2.5),
        season=EVERYDAY_SEASON,
        rhythm=WEEKENDS,
        channels={"web": 3, "app": 7},
        discount_share=0.25,
        return_share=0.06,
        categories=(3, 10),
        tastes={FASHION: 1.5},
    ),
    Archetype(
        name="holiday_shoppers",
        share=0.09,
        orders_per_year=2.0,
        lines_per_order=4.5,
        joined=(-2.0, 0.4),
        left=(1.0, 2.0),
        season=HOLIDAY_SEASON,
        rhythm=WEEKENDS,
        channels={"web": 6, "app": 2, "store": 3},
        discount_share=0.2,
        return_share=0.05,
        categories=(4, 10),
        repeat_share=0.1,
        tastes={GIFTS: 4.0, HOME: 1.5},
    ),
    Archetype(
        name="big_ticket",
        share=0.06,
        orders_per_year=2.0,
        lines_per_order=1.4,
        joined=(-2.0, 0.4),
        left=(1.0, 2.0),
        season=EVERYDAY_SEASON,
        rhythm=WEEKENDS,
        channels={"web": 6, "store": 4},
        rate_shape=4.0,
        quantity=1.0,
        quantity_spread=0.2,
        premium_taste=0.8,
        discount_share=0.1,
        return_share=0.08,
        categories=(2, 6),
        repeat_share=0.0,
        tastes={
            "Furniture": 20.0,
            "Computers": 30.0,
            "Televisions & Cameras": 30.0,
            "Audio": 4.0,
            "Power Tools": 4.0,
            PANTRY: 0.02,
            OFFICE: 0.1,
            GIFTS: 0.1,
        },
    ),
)
