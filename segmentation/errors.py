"""The errors that people see: each says what was wrong, where, and what to do about it."""

from collections.abc import Sequence

from segmentation.quoting import bounded, visible

MAX_LINE, MAX_LINES = 1000, 100
"""Characters of one of several problems, and how many of them are told."""


class SegmentationError(Exception):
    """Something that the user can put right; the message stands on its own, without a traceback.

    Whatever values of the data it quotes, as a text it is bounded in length and holds no control characters: it reaches
    terminals, logs, Dagster's pages and answers over HTTP.
    """

    def __str__(self) -> str:
        return bounded(visible(super().__str__()))


class SeveralProblemsError(SegmentationError):
    """Problems of several things, a line each; each is bounded by itself, so that all of them are named."""

    def __init__(self, problems: Sequence[str]) -> None:
        super().__init__("\n".join(problems))
        self.problems = tuple(problems)

    def __str__(self) -> str:
        lines = [bounded(visible(" ".join(problem.split())), MAX_LINE) for problem in self.problems[:MAX_LINES]]
        more = len(self.problems) - len(lines)
        return "\n".join([*lines, f"And {more:,} more."] if more else lines)


class WarehouseUnavailableError(SegmentationError):
    """The lake's catalog cannot be reached or is not a lake."""


class NoLakeError(WarehouseUnavailableError):
    """There is no lake where the settings say, and nothing that reads makes one."""


class ForeignDataError(WarehouseUnavailableError):
    """A data folder and a catalog don't belong together; nothing is written or deleted where that is so."""


class SourceError(SegmentationError):
    """A source of transactions, or its profile, cannot be read as it stands."""


class NotEnoughDataError(SegmentationError):
    """The data at hand does not allow what was asked, such as a model of one customer."""


class ArtefactError(SegmentationError):
    """A model artefact is malformed, or does not fit the features that it was given."""


class RefusedQueryError(SegmentationError):
    """A query that may do something else than read, or can't be looked at; nothing of it was run."""
