"""The points that contenders cluster: transformed, scaled features of made-up customers, made once and kept on disk.

Nine overlapping blobs of uneven size, skewed along half of their axes, and 3 % of customers anywhere. There is one more
blob than there are centroids, so that no fit is perfect and there are several nearly good ones, as with real customers.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from segmentation.modeling.artefact import Floats

DIMENSIONS = 12
BLOBS = 9
NOISE_SHARE = 0.03
CHUNK_ROWS = 250_000
SEED = 20260101


@dataclass(frozen=True)
class Mixture:
    """What blobs look like.

    Attributes:
        shares: Length m; share of each blob.
        centers: Shape (m, d).
        axes: Shape (m, d, d); independent numbers times these are a blob's deviations from its centre.
    """

    shares: Floats
    centers: Floats
    axes: Floats


def make_points(folder: Path, customers: int, announce: Callable[[str], None]) -> Path:
    """The file of so many customers, shape (customers, `DIMENSIONS`), from `folder` if it was made before."""
    path = folder / f"points-{customers}.npy"
    if not path.exists():
        announce(f"Making {customers:,} customers in {path} (once)")
        folder.mkdir(parents=True, exist_ok=True)
        unfinished = path.with_suffix(".part")
        points = np.lib.format.open_memmap(unfinished, "w+", np.float64, (customers, DIMENSIONS))
        mixture = _mixture(np.random.default_rng(SEED))
        for start in range(0, customers, CHUNK_ROWS):
            chunk = points[start : start + CHUNK_ROWS]
            chunk[:] = _draw(mixture, len(chunk), np.random.default_rng((SEED, start)))
        points.flush()
        unfinished.rename(path)
    return path


def open_points(path: Path) -> Floats:
    """The points, mapped into memory: what is read is not copied, and can be dropped when memory is short."""
    points: Floats = np.load(path, mmap_mode="r")
    return points


def _mixture(rng: np.random.Generator) -> Mixture:
    axes = rng.normal(0, 0.25, (BLOBS, DIMENSIONS, DIMENSIONS))
    axes[:, range(DIMENSIONS), range(DIMENSIONS)] = rng.uniform(0.5, 1.1, (BLOBS, DIMENSIONS))
    return Mixture(rng.dirichlet(np.full(BLOBS, 4.0)), rng.normal(0, 1.1, (BLOBS, DIMENSIONS)), axes)


def _draw(mixture: Mixture, rows: int, rng: np.random.Generator) -> Floats:
    blob = rng.choice(BLOBS, rows, p=mixture.shares)
    deviations = rng.normal(size=(rows, DIMENSIONS))
    half = DIMENSIONS // 2
    deviations[:, :half] = (rng.gamma(2.0, size=(rows, half)) - 2.0) / np.sqrt(2.0)
    points = mixture.centers[blob]
    for number, axes in enumerate(mixture.axes):
        members = blob == number
        points[members] += deviations[members] @ axes
    anywhere = rng.random(rows) < NOISE_SHARE
    points[anywhere] = rng.uniform(-6.0, 6.0, (int(anywhere.sum()), DIMENSIONS))
    return points
