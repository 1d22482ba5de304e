import io
import sys

import matplotlib.image
import numpy as np
import pytest

from segmentation.modeling.artefact import Floats, Ints
from segmentation.modeling.plots import charts

NAMES = ["Frequent", "High value, cooling · big baskets, few orders", "Those of $5 and $10"]


def _customers(count: int = 3_000) -> tuple[Floats, Ints]:
    rng = np.random.default_rng(1)
    return rng.uniform(-0.2, 1, count), rng.integers(0, len(NAMES), count)


def _draw(name: str) -> bytes:
    match name:
        case "silhouette":
            return charts.silhouette_plot(*_customers(), NAMES)
        case "elbow":
            return charts.elbow_plot([4, 5, 6], [8.0, 7.0, 6.5], 5)
        case "stability":
            return charts.stability_plot(NAMES, [0.9, 0.75, 0.2], 0.75)
        case _:
            return charts.profile_heat_map(
                NAMES, ["recency_days", "order_count"], np.array([[1, -2], [0, 3], [-0.5, 0]])
            )


FIGURES = ["silhouette", "elbow", "stability", "profile"]


@pytest.mark.parametrize("name", FIGURES)
def test_figures_are_images_and_the_same_every_time(name: str) -> None:
    image = _draw(name)
    pixels = matplotlib.image.imread(io.BytesIO(image), format="png")
    assert pixels.shape[1] >= 600
    assert 0.01 < (pixels[..., :3] < 0.9).any(axis=2).mean() < 0.9
    assert _draw(name) == image


@pytest.mark.parametrize("name", FIGURES)
def test_figures_leave_pyplot_alone(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib.pyplot", None)
    assert _draw(name).startswith(b"\x89PNG")


def test_a_segment_takes_the_colour_and_the_space_of_its_share() -> None:
    silhouettes = np.full(1_000, 1.0)
    labels = np.repeat([0, 1], [750, 250])
    pixels = matplotlib.image.imread(
        io.BytesIO(charts.silhouette_plot(silhouettes, labels, ["Many", "Few"])), format="png"
    )
    counts = [_pixels_of(pixels, charts.SEGMENT_COLOURS[segment]) for segment in (0, 1)]
    assert counts[0] / counts[1] == pytest.approx(3, rel=0.05)


def test_a_segment_without_customers_is_named_all_the_same() -> None:
    silhouettes, labels = _customers()
    assert charts.silhouette_plot(silhouettes, np.minimum(labels, 1), NAMES).startswith(b"\x89PNG")


def test_an_unstable_segment_stands_out() -> None:
    def warned(overlap: float) -> int:
        image = charts.stability_plot(["A"], [overlap], 0.75)
        return _pixels_of(matplotlib.image.imread(io.BytesIO(image), format="png"), charts.VERMILION)

    assert warned(0.75) == 0
    assert warned(0.74) > 50


def test_figures_are_available_where_matplotlib_is(monkeypatch: pytest.MonkeyPatch) -> None:
    assert charts.figures_available()
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    assert not charts.figures_available()


def _pixels_of(pixels: Floats, colour: str) -> int:
    wanted = np.array([int(colour[i : i + 2], 16) for i in (1, 3, 5)])
    return int((np.abs(pixels[..., :3] * 255 - wanted) < 1).all(axis=2).sum())
