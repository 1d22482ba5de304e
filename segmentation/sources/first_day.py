"""The earliest day of all data, in a small file: Dagster's partitions need it at import, without opening the lake."""

from datetime import date
from pathlib import Path

from filelock import FileLock

from segmentation.errors import SegmentationError
from segmentation.settings import Settings

FILE_NAME = "first_day"


def first_day(settings: Settings) -> date | None:
    """The earliest day (UTC) of the data registered so far, or None before there is any.

    Raises:
        SegmentationError: The file has been damaged.
    """
    path = _path(settings)
    try:
        return date.fromisoformat(path.read_text(encoding="utf-8").strip())
    except FileNotFoundError:
        return None
    except ValueError as error:
        raise SegmentationError(
            f"{path} should hold one date such as 2024-01-31: {error}. Correct it, or delete it and ingest again."
        ) from error


def record_first_day(settings: Settings, day: date) -> None:
    """Remember `day` if it is earlier than the earliest so far."""
    path = _path(settings)
    path.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(path.with_suffix(".lock")):
        known = first_day(settings)
        if known is None or day < known:
            draft = path.with_suffix(".new")
            draft.write_text(f"{day.isoformat()}\n", encoding="utf-8")
            draft.replace(path)


def _path(settings: Settings) -> Path:
    return settings.home / FILE_NAME
