"""Which files a path means: a file, a folder, a glob, or data that an installed package ships.

What is inside the files is not looked at here, but for whether a `.txt` in a folder is a table or a note.
"""

import os
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from stat import S_ISBLK, S_ISCHR, S_ISDIR, S_ISFIFO, S_ISREG, S_ISSOCK
from typing import Literal

from segmentation.errors import SourceError
from segmentation.sources.readers.text_tables import has_table

Format = Literal["csv", "json", "parquet", "excel", "zip"]

FORMATS: dict[str, Format] = {
    ".csv": "csv",
    ".tsv": "csv",
    ".tab": "csv",
    ".txt": "csv",
    ".parquet": "parquet",
    ".jsonl": "json",
    ".ndjson": "json",
    ".json": "json",
    ".xlsx": "excel",
    ".xlsm": "excel",
    ".xls": "excel",
    ".ods": "excel",
    ".zip": "zip",
}
NOTES = ".txt"
"""Suffix of tables and of notes: in folders, those that don't look like tables are passed over."""

START_BYTES = 8_192
COMPRESSED = (".gz", ".zst")
COMPRESSIBLE = ("csv", "json")
PACKAGE = "package:"

KINDS: tuple[tuple[Callable[[int], bool], str], ...] = (
    (S_ISDIR, "a folder"),
    (S_ISFIFO, "a pipe"),
    (S_ISSOCK, "a socket"),
    (S_ISCHR, "a device"),
    (S_ISBLK, "a device"),
)
"""What may have a file's name, and what it is called."""


@dataclass(frozen=True)
class InputFile:
    """A file to be read.

    Attributes:
        file_id: Number that stands for the file in SQL.
        path: Where it is.
    """

    file_id: int
    path: Path


def format_of(path: Path) -> Format | None:
    """The format that the suffix names, or None if it isn't one that can be read."""
    suffixes = [suffix.lower() for suffix in path.suffixes[-2:]]
    if suffixes and suffixes[-1] in COMPRESSED:
        kind = FORMATS.get(suffixes[0]) if len(suffixes) == 2 else None
        return kind if kind in COMPRESSIBLE else None
    return FORMATS.get(suffixes[-1]) if suffixes else None


@dataclass(frozen=True)
class Located:
    """What a path means.

    Attributes:
        files: Those that can be read, absolute and sorted.
        problems: By path, why something beside them is left alone.
    """

    files: tuple[Path, ...]
    problems: Mapping[str, str]


def look(path: str, product_lists: tuple[str, ...] = (), *, any_suffix: bool = False) -> Located:
    """The files that `path` means. No pipe is opened, so that one that nobody writes to holds up nobody.

    Args:
        path: A file; a folder, for all readable files in and below it except hidden ones and product lists; a glob;
            or `package:PACKAGE/PATH`.
        product_lists: Names of files that are product lists, not transactions.
        any_suffix: Whether a file may have any suffix, since the profile says what it is; not in folders.

    Raises:
        SourceError: Nothing is there, or nothing that can be read.
    """
    if path.startswith(PACKAGE):
        return look(str(_in_package(path)))
    if "://" in path:
        raise SourceError(f"{path} is a URL; only local files can be read so far. Download it and give its path.")
    root = Path(path).expanduser()
    if root.is_dir():
        return _below(root, {Path(name).name for name in product_lists})
    found = [root] if root.exists() or root.is_symlink() else _matches(root)
    if not found:
        what = "matches no file" if _is_pattern(path) else "does not exist"
        raise SourceError(f"{path} {what}. Check the path (it is taken from {Path.cwd()}).")
    for file in found:
        if format_of(file) is None and not any_suffix:
            raise SourceError(
                f"{file} has a suffix that can't be read. Readable are {_readable()}. If it is one of them by another "
                "name, say so in the profile, such as `reader: {format: csv}`."
            )
    return _sorted_out(found, path)


def oddity_of(file: Path, folder: Path | None = None) -> str | None:
    """Why something with a file's name can't be read; None if it can.

    Args:
        file: It.
        folder: Where its content has to lie; anywhere if None.
    """
    try:
        mode = file.stat().st_mode
    except FileNotFoundError:
        return "is a link to nothing. Mend the link or remove it." if file.is_symlink() else "is gone."
    except OSError as error:
        return f"can't be looked at: {error.strerror}. Mend the link or the permissions, or remove it."
    if not S_ISREG(mode):
        kind = next((name for is_kind, name in KINDS if is_kind(mode)), "something special")
        return f"is {kind}, not a file with an end. Write its content to a file."
    if folder is not None and not file.resolve().is_relative_to(folder.resolve()):
        return f"is a link that leads out of {folder}. Copy the file here, or ingest it where it is."
    return None if os.access(file, os.R_OK) else "may not be read. Change its permissions."


def as_pattern(path: Path) -> str:
    """A path for those who take it for a glob: one that means this file alone."""
    return re.sub(r"([*?\[])", r"[\1]", str(path))


def _sorted_out(found: Iterable[Path], path: str, folder: Path | None = None) -> Located:
    files: list[Path] = []
    problems: dict[str, str] = {}
    for file in sorted(found):
        oddity = oddity_of(file, folder)
        if oddity is None:
            files.append(file)
        else:
            problems[str(file)] = f"{file} {oddity}"
    if not files:
        if problems:
            raise SourceError(" ".join(problems.values()))
        raise SourceError(f"The folder {path} holds no file that can be read. Readable are {_readable()}.")
    return Located(tuple(sorted({file.resolve() for file in files})), problems)


def _is_pattern(path: str) -> bool:
    return any(sign in path for sign in "*?[")


def _matches(pattern: Path) -> list[Path]:
    if not _is_pattern(str(pattern)):
        return []
    relative = str(pattern.relative_to(pattern.anchor))
    return [file for file in Path(pattern.anchor or ".").glob(relative) if not file.is_dir()]


def _below(folder: Path, product_lists: set[str]) -> Located:
    found = (
        file
        for file in folder.rglob("*")
        if format_of(file) is not None
        and not file.is_dir()
        and file.name not in product_lists
        and not _is_note(file)
        and not any(part.startswith((".", "_")) for part in file.relative_to(folder).parts)
    )
    return _sorted_out(found, str(folder), folder)


def _is_note(file: Path) -> bool:
    if file.suffix.lower() != NOTES or oddity_of(file) is not None:
        return False
    with file.open("rb") as stream:
        return not has_table(stream.read(START_BYTES).replace(b"\0", b""))


def _in_package(location: str) -> Path:
    package, _, rest = location.removeprefix(PACKAGE).partition("/")
    spec = find_spec(package) if package.isidentifier() else None
    if spec is None or not spec.submodule_search_locations:
        raise SourceError(
            f"The Python package {package} that holds the data is not installed. Install it: "
            f"pip install {package.replace('_', '-')}"
        )
    return Path(spec.submodule_search_locations[0]) / rest


def _readable() -> str:
    compressed = ", ".join(suffix for suffix, kind in FORMATS.items() if kind in COMPRESSIBLE)
    return f"{', '.join(FORMATS)}; and {compressed} compressed as {' or '.join(COMPRESSED)}"
