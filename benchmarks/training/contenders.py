"""Who fits centroids and labels everybody, and how."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from importlib import import_module
from importlib.util import find_spec

import numpy as np
from numpy.typing import NDArray
from sklearn.cluster import KMeans, MiniBatchKMeans
from threadpoolctl import threadpool_limits

from segmentation.modeling.artefact import Floats
from segmentation.modeling.fitting.clustering import fit_centroids
from segmentation.modeling.nearest import nearest, nearest_labels
from segmentation.segments.assignment import CHUNK_ROWS
from segmentation.settings import Settings

K = 8
STARTS = 10
MAX_ROWS: int = Settings.model_fields["training_rows"].default
SLOW_UP_TO = 2_000_000
FULL, OURS = "scikit-learn", "ours"

Labels = NDArray[np.integer]
Label = Callable[[Floats], Labels]
Fit = Callable[[Floats, int], tuple[Floats, Label]]
"""Points and seed to centroids, and what labels all points by them."""


@dataclass(frozen=True)
class Contender:
    """One of those who take part.

    Attributes:
        name: What it is called.
        what: What it does, in words.
        threads: 1, or None for as many as it takes by itself.
        fit: Fits; the result labels.
        package: It has to be installed.
        is_slow: It would take too long with more than `SLOW_UP_TO` customers, or with several seeds.
    """

    name: str
    what: str
    threads: int | None
    fit: Fit
    package: str = "sklearn"
    is_slow: bool = False

    def reason_not_to_run(self, customers: int) -> str:
        """Why it can't take part; empty if it can."""
        if find_spec(self.package) is None:
            return f"{self.package} is not installed"
        if self.is_slow and customers > SLOW_UP_TO:
            return f"takes too long above {SLOW_UP_TO:,} customers"
        return ""


def _ours(points: Floats, seed: int) -> tuple[Floats, Label]:
    centroids = fit_centroids(points, K, seed=seed, starts=STARTS, max_rows=MAX_ROWS)
    return centroids, partial(_in_chunks, lambda chunk: nearest_labels(chunk, centroids))


def _ours_with_runner_up(points: Floats, seed: int) -> tuple[Floats, Label]:
    """What a snapshot of segments is made of: both distances and the runner-up beside the label."""
    centroids, _ = _ours(points, seed)
    return centroids, partial(_in_chunks, lambda chunk: nearest(chunk, centroids).segment)


def _in_chunks(label: Label, points: Floats) -> Labels:
    labels = np.empty(len(points), np.int32)
    for start in range(0, len(points), CHUNK_ROWS):
        chunk = slice(start, start + CHUNK_ROWS)
        labels[chunk] = label(points[chunk])
    return labels


def _full(points: Floats, seed: int, *, starts: int = 1) -> tuple[Floats, Label]:
    fit = KMeans(K, n_init=starts, random_state=seed).fit(points)
    return fit.cluster_centers_, lambda _: fit.labels_


def _full_in_one_thread(points: Floats, seed: int) -> tuple[Floats, Label]:
    with threadpool_limits(limits=1):
        return _full(points, seed)


def _ours_then_full(points: Floats, seed: int) -> tuple[Floats, Label]:
    """The best that is known: nobody else goes on from a good start until nothing moves on all rows."""
    centroids, _ = _ours(points, seed)
    fit = KMeans(K, init=centroids, n_init=1, tol=1e-6).fit(points)
    return fit.cluster_centers_, lambda _: fit.labels_


def _mini_batch(points: Floats, seed: int, *, batch_size: int) -> tuple[Floats, Label]:
    fit = MiniBatchKMeans(K, batch_size=batch_size, random_state=seed).fit(points)
    return fit.cluster_centers_, fit.predict


def _faiss(points: Floats, seed: int) -> tuple[Floats, Label]:
    """The same sample size and number of starts as ours; by itself, faiss takes 256 rows per centroid."""
    rows = points
    if len(points) > MAX_ROWS:
        rows = points[np.sort(np.random.default_rng(seed).choice(len(points), MAX_ROWS, replace=False))]
    fit = import_module("faiss").Kmeans(
        points.shape[1], K, niter=100, nredo=STARTS, seed=seed, max_points_per_centroid=MAX_ROWS
    )
    fit.train(np.ascontiguousarray(rows, dtype=np.float32))

    def label(everybody: Floats) -> Labels:
        chunks = range(0, len(everybody), CHUNK_ROWS)
        near = [fit.index.search(everybody[s : s + CHUNK_ROWS].astype(np.float32), 1)[1][:, 0] for s in chunks]
        return np.concatenate(near)

    return np.asarray(fit.centroids, dtype=np.float64), label


CONTENDERS = (
    Contender(OURS, f"best of {STARTS} on {MAX_ROWS:,} rows, labels in chunks", 1, _ours),
    Contender(f"{OURS}-with-runner-up", "… and distances and the runner-up, too", 1, _ours_with_runner_up),
    Contender(FULL, "KMeans, one start, all rows", None, _full),
    Contender(f"{FULL}-1-thread", "the same in one thread", 1, _full_in_one_thread),
    Contender(f"{FULL}-10-starts", "KMeans, best of 10, all rows", None, partial(_full, starts=10), is_slow=True),
    Contender(
        "mini-batch",
        "MiniBatchKMeans, batches of 1,024",
        None,
        partial(_mini_batch, batch_size=1024),
        is_slow=True,
    ),
    Contender("mini-batch-10000", "… of 10,000", None, partial(_mini_batch, batch_size=10_000), is_slow=True),
    Contender(
        "faiss", f"faiss.Kmeans, best of {STARTS} on {MAX_ROWS:,} rows", None, _faiss, package="faiss", is_slow=True
    ),
    Contender("ours-then-full", "ours, then KMeans from there on all rows", None, _ours_then_full),
)
BY_NAME = {contender.name: contender for contender in CONTENDERS}
