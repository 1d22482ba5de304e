"""The live model: the registry's champion, followed in the background and swapped as a whole.

What is served is one immutable object. A new version takes its place only after its hash and a probe have been
checked; until then, and whatever becomes of the catalogue, the last good one goes on serving.
"""

import logging
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from http import HTTPStatus
from operator import attrgetter
from typing import Self

import anyio
import numpy as np

from segmentation.errors import ArtefactError, SegmentationError, WarehouseUnavailableError
from segmentation.features.catalogue import BY_NAME
from segmentation.modeling.artefact import Artefact, Evaluator, Floats
from segmentation.modeling.registry import ModelVersion, load_champion
from serving.contract import Features
from serving.problems import ProblemError
from serving.reader import LakeReader

FIRST_LOOK_S = 5.0
"""How long the start waits for the first look at the registry; a catalogue that hangs must not keep it from living."""

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Champion:
    """A model version made ready to serve.

    Attributes:
        model: The version, as registered.
        evaluator: Its artefact in NumPy.
        values_of: Picks the model's features from a customer's, in the artefact's order; one alone comes bare.
        segment_ids: By index in the artefact.
        segment_names: By index in the artefact.
        cutoffs: Confidence below which it is low, by index in the artefact.
    """

    model: ModelVersion
    evaluator: Evaluator
    values_of: Callable[[Features], object]
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
        return cls(
            model,
            evaluator,
            attrgetter(*artefact.feature_names),
            tuple(segment.id for segment in artefact.segments),
            tuple(segment.name for segment in artefact.segments),
            tuple(segment.cutoff for segment in artefact.segments),
        )


class ChampionFollower:
    """Keeps the champion that the registry names."""

    def __init__(self, reader: LakeReader, poll_s: float) -> None:
        self._reader = reader
        self._poll_s = poll_s
        self._champion: Champion | None = None
        self._trouble = ""
        self._seen: int | None = None
        self._has_looked = anyio.Event()

    def champion(self) -> Champion:
        """The model that serves. Take it once per request, so that an answer is of one version.

        Raises:
            ProblemError: There is none yet (503); the detail says why.
        """
        champion = self._champion
        if champion is None:
            raise ProblemError(HTTPStatus.SERVICE_UNAVAILABLE, "no-champion", self._trouble or "Just starting.")
        return champion

    @asynccontextmanager
    async def following(self) -> AsyncIterator[None]:
        """Look for new champions for as long as the context lasts."""
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(self._keep_looking)
            with anyio.move_on_after(FIRST_LOOK_S):
                await self._has_looked.wait()
            try:
                yield
            finally:
                tasks.cancel_scope.cancel()

    async def look(self) -> None:
        """Look at the registry once. Trouble is logged, once each time that it changes, and changes nothing else."""
        try:
            version = await self._reader.version()
            if version == self._seen:
                return
            model = await self._reader.read(load_champion)
            if self._champion is None or model != self._champion.model:
                self._champion = Champion.of(model)
                logger.info("Serving model version %d (%s).", model.version, model.model_hash[:12])
            if self._trouble:
                logger.info("The champion can be read again.")
            self._seen, self._trouble = version, ""
        except WarehouseUnavailableError as error:
            self._note(error, "The warehouse can't be read; the scorer's log says why.")
        except SegmentationError as error:
            self._note(error, str(error))
        except Exception as error:  # a damaged row can break anywhere, and must not end the watch
            self._note(error, "The champion can't be read; the scorer's log says why.")

    def _note(self, error: Exception, public: str) -> None:
        if public != self._trouble:
            kept = f" Version {self._champion.model.version} goes on serving." if self._champion else ""
            trace = None if isinstance(error, SegmentationError) else error
            logger.error("No new champion: %s%s", error, kept, exc_info=trace)
        self._seen, self._trouble = None, public

    async def _keep_looking(self) -> None:
        while True:
            await self.look()
            self._has_looked.set()
            await anyio.sleep(self._poll_s)


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
