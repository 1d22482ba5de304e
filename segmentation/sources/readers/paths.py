"""Which files a path means: a file, a folder, a glob, or data that an installed package ships.

What is inside the files is not looked at here.
"""

from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Literal

from segmentation.errors import SourceError

Format = Literal["csv", "json", "parquet", "excel"]

FORMATS: dict[str, Format] = {
    ".csv": "csv",
    ".tsv": "csv",
    ".parquet": "parquet",
    ".jsonl": "json",
    ".ndjson": "json",
    ".json": "json",
    ".xlsx": "excel",
}
COMPRESSED = (".gz", ".zst")
COMPRESSIBLE = ("csv", "json")
PACKAGE = "package:"


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


def locate(path: str, product_lists: tuple[str, ...] = ()) -> tuple[Path, ...]:
    """The files that `path` means, absolute and sorted.

    Args:
        path: A file; a folder, for all readable files in and below it except hidden ones and product lists; a glob;
            or `package:PACKAGE/PATH`.
        product_lists: Names of files that are product lists, not transactions.

    Raises:
        SourceError: Nothing is there, or nothing that can be read.
    """
    if path.startswith(PACKAGE):
        return locate(str(_in_package(path)))
    if "://" in path:
        raise SourceError(f"{path} is a URL; only local files can be read so far. Download it and give its path.")
    root = Path(path).expanduser()
    if root.is_dir():
        return _absolute(_below(root, {Path(name).name for name in product_lists}))
    found = [root] if root.exists() else _matches(root)
    if not found:
        what = "matches no file" if _is_pattern(path) else "does not exist"
        raise SourceError(f"{path} {what}. Check the path (it is taken from {Path.cwd()}).")
    for file in found:
        if format_of(file) is None:
            raise SourceError(f"{file} has a suffix that can't be read. Readable are {_readable()}.")
    return _absolute(found)


def _is_pattern(path: str) -> bool:
    return any(sign in path for sign in "*?[")


def _matches(pattern: Path) -> list[Path]:
    if not _is_pattern(str(pattern)):
        return []
    relative = str(pattern.relative_to(pattern.anchor))
    return [file for file in Path(pattern.anchor or ".").glob(relative) if file.is_file()]


def _below(folder: Path, product_lists: set[str]) -> list[Path]:
    found = [
        file
        for file in folder.rglob("*")
        if format_of(file) is not None
        and file.is_file()
        and file.name not in product_lists
        and not any(part.startswith((".", "_")) for part in file.relative_to(folder).parts)
    ]
    if not found:
        raise SourceError(f"The folder {folder} holds no file that can be read. Readable are {_readable()}.")
    return found


def _in_package(location: str) -> Path:
    package, _, rest = location.removeprefix(PACKAGE).partition("/")
    spec = find_spec(package) if package.isidentifier() else None
    if spec is None or not spec.submodule_search_locations:
        raise SourceError(
            f"The Python package {package} that holds the data is not installed. Install it: "
            f"pip install {package.replace('_', '-')}"
        )
    return Path(spec.submodule_search_locations[0]) / rest


def _absolute(files: list[Path]) -> tuple[Path, ...]:
    return tuple(sorted({file.resolve() for file in files}))


def _readable() -> str:
    compressed = ", ".join(suffix for suffix, kind in FORMATS.items() if kind in COMPRESSIBLE)
    return f"{', '.join(FORMATS)}; and {compressed} compressed as {' or '.join(COMPRESSED)}"
