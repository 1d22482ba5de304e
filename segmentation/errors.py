"""The errors that people see: each says what was wrong, where, and what to do about it."""

from segmentation.quoting import bounded, visible


class SegmentationError(Exception):
    """Something that the user can put right; the message stands on its own, without a traceback.

    Whatever values of the data it quotes, as a text it is bounded in length and holds no control characters: it reaches
    terminals, logs, Dagster's pages and answers over HTTP.
    """

    def __str__(self) -> str:
        return bounded(visible(super().__str__()))


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
