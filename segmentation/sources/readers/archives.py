"""The files inside of a zip, unpacked one at a time, within limits.

What they are and hold is not known here.
"""

import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from tempfile import TemporaryDirectory

from segmentation.errors import SourceError
from segmentation.sources.readers.limits import ReadingBudget, ReadingLimits
from segmentation.sources.readers.paths import format_of

CHUNK_BYTES = 1 << 20
MAX_MEMBERS = 1_000
ENCRYPTED = 0x1
NO_DATA = ("readme", "license", "licence", "notice", "changelog", "about")
"""Names, without suffix, of what comes with data."""


def unpacked(path: Path, limits: ReadingLimits, *, any_suffix: bool) -> Iterator[tuple[str, Path]]:
    """The data files of a zip: their names in it, and where each is until the next is asked for.

    Args:
        path: The zip.
        limits: What reading all of it may cost.
        any_suffix: Whether all files in it are data, since the profile says what they are.

    Raises:
        SourceError: It is damaged or encrypted, has no data or another zip in it, or exceeds a limit.
    """
    budget = ReadingBudget(path, limits)
    try:
        with zipfile.ZipFile(path) as archive, TemporaryDirectory(prefix="segmentation-zip-") as folder:
            for number, member in enumerate(_data(path, archive, any_suffix)):
                suffixes = "".join(PurePosixPath(member.filename).suffixes[-2:])
                target = Path(folder) / f"{number}{suffixes.lower()}"
                _unpack(archive, member, target, budget)
                yield member.filename, target
                target.unlink()
    except (zipfile.BadZipFile, zlib.error, NotImplementedError, RuntimeError, EOFError) as error:
        raise SourceError(f"{path} can't be unpacked; it may be incomplete or damaged: {error}") from error


def _data(path: Path, archive: zipfile.ZipFile, any_suffix: bool) -> list[zipfile.ZipInfo]:
    files = [member for member in archive.infolist() if not member.is_dir() and not _is_hidden(member.filename)]
    data = [member for member in files if _is_data(PurePosixPath(member.filename), any_suffix)]
    if not data:
        names = ", ".join(member.filename for member in files[:5]) or "nothing"
        raise SourceError(f"{path} has no file in it that can be read; it has {names}. Unpack it, and give the file.")
    if len(data) > MAX_MEMBERS:
        raise SourceError(f"{path} has {len(data):,} files in it, more than {MAX_MEMBERS:,}. Unpack it into a folder.")
    for member in data:
        kind = format_of(Path(member.filename))
        if member.flag_bits & ENCRYPTED:
            raise SourceError(f"{path} is protected by a password. Unpack it, and give the files in it.")
        if kind in ("zip", "parquet"):
            raise SourceError(f"{path} has {member.filename} in it, which can't be read there. Unpack it.")
    return data


def _is_hidden(name: str) -> bool:
    return any(part.startswith((".", "_")) for part in PurePosixPath(name).parts)


def _is_data(name: PurePosixPath, any_suffix: bool) -> bool:
    if name.stem.lower() in NO_DATA:
        return False
    return any_suffix or format_of(Path(name)) is not None


def _unpack(archive: zipfile.ZipFile, member: zipfile.ZipInfo, target: Path, budget: ReadingBudget) -> None:
    with archive.open(member) as stream, target.open("wb") as file:
        while chunk := stream.read(CHUNK_BYTES):
            budget.spend(len(chunk))
            file.write(chunk)
