"""What a segment is worth: the spend that followed, of those whom a model puts into it at an earlier date.

A figure per segment to rank them by. What one customer will spend is not for here.
"""

import numpy as np

from segmentation.modeling.artefact import Floats
from segmentation.modeling.fitting.space import Space
from segmentation.modeling.nearest import nearest_labels
from segmentation.modeling.training_data import History


def later_spend(space: Space, centroids: Floats, history: History | None) -> Floats | None:
    """Mean net spend per customer of each cluster in the days after the judged date, in money.

    Args:
        space: The model space that the centroids lie in.
        centroids: Shape (k, p).
        history: Customers of the judged date, and what they did next.

    Returns:
        Length k; None without history, or if a cluster had nobody then.
    """
    if history is None or history.judged.outcome is None:
        return None
    labels = nearest_labels(space.points(history.judged.values), centroids)
    counts = np.bincount(labels, minlength=len(centroids))
    spend = np.expm1(history.judged.outcome.log_spend)
    if not counts.all():
        return None
    return np.asarray(np.bincount(labels, weights=spend, minlength=len(centroids)) / counts, dtype=np.float64)
