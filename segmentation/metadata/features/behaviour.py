"""Behaviour: baskets, returns, discounts, countries and channels of a customer."""

from segmentation.metadata.features.feature import Feature

BEHAVIOUR = (
    Feature(
        name="units_purchased",
        group="behaviour",
        type="DOUBLE",
        unit="units",
        minimum=0,
        description="Units bought.",
        transform="log",
        formula="Σ quantity of purchase lines",
    ),
    Feature(
        name="average_basket_units",
        group="behaviour",
        type="DOUBLE",
        unit="units",
        minimum=0,
        description="Units per order.",
        transform="log",
        is_modelled=True,
        formula="units_purchased / n",
    ),
    Feature(
        name="return_count",
        group="behaviour",
        type="BIGINT",
        unit="returns",
        minimum=0,
        description="Return documents: orders with a return line; refunds of money alone are none.",
        transform="log",
        formula="number of order_id with a return line",
    ),
    Feature(
        name="return_rate",
        group="behaviour",
        type="DOUBLE",
        unit="ratio",
        minimum=0,
        description=(
            "Returned revenue over gross revenue; above 1 where earlier purchases came back; NULL without spend."
        ),
        transform="sqrt",
        missing="zero",
        is_modelled=True,
        formula="returned_revenue / gross_revenue",
    ),
    Feature(
        name="discount_share",
        group="behaviour",
        type="DOUBLE",
        unit="share",
        maximum=1,
        description="Discount over the price of purchases before discount; NULL where that is zero.",
        transform="sqrt",
        missing="zero",
        is_modelled=True,
        formula="Σ discount / (Σ discount + gross_revenue)",
    ),
    Feature(
        name="home_country",
        group="behaviour",
        type="VARCHAR",
        unit="name",
        description="Country with the most orders; ties by its name; NULL where none is known.",
        formula="country with most orders",
    ),
    Feature(
        name="is_home_market",
        group="behaviour",
        type="BOOLEAN",
        unit="yes/no",
        description=(
            "Whether that is the shop's home market: the setting, else the country with the most lines in the window."
        ),
        formula="home_country = home market",
    ),
    Feature(
        name="distinct_channels",
        group="behaviour",
        type="BIGINT",
        unit="channels",
        minimum=0,
        description="Known channels bought through.",
        transform="log",
        formula="number of channels of orders",
    ),
    Feature(
        name="is_one_time_buyer",
        group="behaviour",
        type="BOOLEAN",
        unit="yes/no",
        description="Whether there is exactly one order.",
        formula="n = 1",
    ),
)
