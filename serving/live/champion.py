"""The live model: a version of the registry made ready to serve.

What is served is one immutable object. A new version takes its place only after its hash and a probe have been
checked; until then, and whatever becomes of the catalog, the last good one goes on serving (`following`).
"""

import logging
from collections.abc import Callable
from dataclasses import dataclass
from http import HTTPStatus
from operator import attrgetter
from typing import Self

import numpy as np

from segmentation.errors import ArtefactError
from segmentation.metadata.features import BY_NAME
from segmentation.modeling.artefact import Artefact, Evaluator, Floats
from segmentation.modeling.registry import ModelVersion, load_champion
from segmentation.settings import Settings
from serving.api.contract import Features
from serving.api.problems import ProblemError
from serving.live.values import LiveValue, LocalCopy

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Champion:
    """A model version made ready to serve.

    Attributes:
        model: The version, as registered.
        evaluator: Its artefact in NumPy.
        values_of: Picks the model's features from a customer's, in the artefact's order.
        segment_ids: By index in the artefact.
        segment_names: By index in the artefact.
        cutoffs: Confidence below which it is low, by index in the artefact.
    """

    model: ModelVersion
    evaluator: Evaluator
    values_of: Callable[[Features], tuple[float | None, ...]]
    segment_ids: tuple[int, ...]
    segment_names: tuple[str, ...]
    cutoffs: tuple[float, ...]

    @classmethod
    def of(cls, model: ModelVersion) -> Self:
        """Make a version ready, and see that it works.

        Raises:
            ArtefactError: It needs a feature that this release doesn't know, or gives no finite result.
        """
        artefact = model.artefact
        unusable = [name for name in artefact.feature_names if not _is_number(name)]
        if unusable:
            raise ArtefactError(
                f"Model version {model.version} needs {', '.join(unusable)}, which this release can't take as a "
                "number. Update the scorer."
            )
        evaluator = Evaluator(artefact)
        _probe(evaluator, model.version)
        logger.info("Model version %d (%s) is ready.", model.version, model.model_hash[:12])
        return cls(
            model,
            evaluator,
            _picker(artefact.feature_names),
            tuple(segment.id for segment in artefact.segments),
            tuple(segment.name for segment in artefact.segments),
            tuple(segment.cutoff for segment in artefact.segments),
        )


class LiveChampion(LiveValue[ModelVersion, Champion]):
    """The champion that the registry names."""

    def __init__(self, settings: Settings) -> None:
        copy = LocalCopy(settings.home / "scorer" / "champion.json", ModelVersion)
        super().__init__("champion", load_champion, Champion.of, copy)

    def champion(self) -> Champion:
        """The model that serves. Take it once per request, so that an answer is of one version.

        Raises:
            ProblemError: There is none yet (503); the detail says why.
        """
        champion = self.value
        if champion is None:
            raise ProblemError(HTTPStatus.SERVICE_UNAVAILABLE, "no-champion", self.reason)
        return champion


def _picker(names: tuple[str, ...]) -> Callable[[Features], tuple[float | None, ...]]:
    if len(names) > 1:
        return attrgetter(*names)
    [name] = names
    return lambda features: (getattr(features, name),)  # attrgetter would give it bare


def _is_number(feature: str) -> bool:
    return feature in BY_NAME and BY_NAME[feature].type != "VARCHAR"


def _probe(evaluator: Evaluator, version: int) -> None:
    with np.errstate(all="ignore"):
        result = evaluator.assign(_probe_vectors(evaluator.artefact))
    if not (np.isfinite(result.runner_up_distance).all() and np.isfinite(result.confidence).all()):
        raise ArtefactError(f"Model version {version} gives no finite distance at its own caps. Train again.")


def _probe_vectors(artefact: Artefact) -> Floats:
    """Both ends of every feature's range, and nothing given but what must be."""
    rules = artefact.rules
    return np.array(
        [
            [rule.lower for rule in rules],
            [rule.upper for rule in rules],
            [rule.lower if rule.missing_value is None else np.nan for rule in rules],
        ]
    )
