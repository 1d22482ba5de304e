"""Which rows a sample holds."""

import numpy as np

from segmentation.modeling.artefact import Ints


def some_rows(count: int, most: int, rng: np.random.Generator) -> Ints:
    """Indices of at most `most` of `count` rows, ascending; all of them if there are no more."""
    if count <= most:
        return np.arange(count)
    return np.sort(rng.choice(count, most, replace=False))
