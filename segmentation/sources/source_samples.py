"""The first lines of a declared source, through its profile: whether they would come in. Nothing is written."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from tempfile import TemporaryDirectory

from segmentation.settings import Settings
from segmentation.sources.config import FilesSource, SourceConfig
from segmentation.sources.dry_run import dry_run_files
from segmentation.sources.profiles.profile import Profile
from segmentation.sources.readers.object_store import is_remote
from segmentation.sources.readers.paths import format_of
from segmentation.sources.readers.text_blocks import open_bytes
from segmentation.sources.reading import files_of

SAMPLE_BYTES = 1 << 20
COMPRESSED = (".gz", ".zst", ".zip")


@dataclass(frozen=True)
class SourceSample:
    """What the first lines of a source would give.

    Attributes:
        file: Where they are.
        lines_read: How many there are.
        accepted: How many of them would come in.
        reasons: How many would not, by reason.
    """

    file: str
    lines_read: int
    accepted: int
    reasons: Mapping[str, int]

    def __str__(self) -> str:
        """In words."""
        refused = ", ".join(f"{count:,} {reason}" for reason, count in self.reasons.items())
        told = f"; refused: {refused}" if refused else ""
        return f"of the first {self.lines_read:,} lines of {self.file} {self.accepted:,} would be accepted{told}"


def sample_of_source(settings: Settings, source: SourceConfig, *, now: datetime) -> SourceSample | None:
    """Read the first lines of a source of files; None for other sources, and for objects of a bucket.

    Raises:
        SourceError: They can't be read through the profile.
    """
    if not isinstance(source, FilesSource) or is_remote(source.path):
        return None
    profile = source.read_profile()
    files = files_of(settings, source, profile).files
    if not files:
        return None
    with TemporaryDirectory(prefix="segmentation-sample-") as folder:
        sample = _beginning(files[0], profile, Path(folder))
        found = dry_run_files(settings, str(sample), profile, source=source.name, now=now)
    reasons = {str(row["reason"]): int(row["lines"]) for row in found.rejects.to_dicts()}
    return SourceSample(str(files[0]), found.report.lines_read, found.report.accepted, reasons)


def _beginning(file: Path, profile: Profile, folder: Path) -> Path:
    """A file with the first lines of another; that itself if it is small, or can't be cut between lines.

    What lies beside a file, and belongs to it, isn't beside its beginning; so a profile that reads it gets all of it.
    """
    has_company = profile.products is not None and not profile.products.optional
    is_text = format_of(file) == "csv" or ".jsonl" in file.suffixes or ".ndjson" in file.suffixes
    if file.stat().st_size <= SAMPLE_BYTES or has_company or not is_text:
        return file
    with open_bytes(file) as stream:
        text: bytes = stream.read(SAMPLE_BYTES)
    end = text.rfind(b"\n") + 1
    while end and text.count(b'"', 0, end) % 2 and format_of(file) == "csv":  # inside of a quotation
        end = text.rfind(b"\n", 0, end - 1) + 1
    suffixes = [suffix for suffix in file.suffixes[-2:] if suffix.lower() not in COMPRESSED]
    path = folder / f"{file.name.split('.')[0]}{''.join(suffixes[-1:])}"
    path.write_bytes(text[: end or len(text)])
    return path
