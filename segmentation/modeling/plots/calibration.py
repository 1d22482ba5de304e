"""How predictions turned out, as a picture: what was expected against what came, in bins of customers."""

import io
from collections.abc import Sequence
from typing import Literal, Protocol

from segmentation.modeling.plots.charts import BLUE, DOTS_PER_INCH, GREY


class Binned(Protocol):
    """Customers with a like expectation."""

    @property
    def expected(self) -> float:
        """The mean of what was expected."""

    @property
    def came(self) -> float:
        """The mean of what came."""


def calibration_plot(
    title: str,
    returning: Sequence[Binned],
    orders: Sequence[Binned],
    file_format: Literal["png", "svg"] = "png",
) -> bytes:
    """Two panels; dots on the diagonal came true.

    Args:
        title: What was predicted when.
        returning: Bins of the probability of an order.
        orders: Bins of numbers of orders.
        file_format: Of the image.

    Returns:
        The image.
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9.0, 4.2), dpi=DOTS_PER_INCH, layout="constrained")
    for place, (bins, what) in enumerate(((returning, "probability of an order"), (orders, "orders per customer")), 1):
        axes = figure.add_subplot(1, 2, place)
        axes.spines[["top", "right"]].set_visible(False)
        most = 1.05 * max((max(each.expected, each.came) for each in bins), default=1.0) or 1.0
        axes.plot([0, most], [0, most], color=GREY, linewidth=1, linestyle="--")
        axes.plot([each.expected for each in bins], [each.came for each in bins], "o-", color=BLUE, markersize=5)
        axes.set_xlabel(f"{what}, expected")
        axes.set_ylabel("what came")
    figure.suptitle(title, fontsize=11, x=0.01, ha="left", weight="bold")
    buffer = io.BytesIO()
    figure.savefig(buffer, format=file_format)
    return buffer.getvalue()
