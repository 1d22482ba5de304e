"""Keys of objects: which of them a path means, which can't be asked for, and where their copies are kept.

A key is any text of up to 1,024 bytes. It isn't a path: `a.csv` and `a.csv/b.csv` can be there at once, keys can differ
in case alone, and a part of one can be longer than a file's name.
"""

import re
from hashlib import sha256
from pathlib import Path, PurePosixPath

from segmentation.sources.readers.paths import COMPRESSED, NOTES, Format, format_of

SHOWN_CHARS = 40
HASH_CHARS = 16
UNSAFE = re.compile(r"[^A-Za-z0-9-]+")
CONTROL = re.compile(r"[\x00-\x1f\x7f]")


def matches(key: str, pattern: str) -> bool:
    """Whether a key is what a pattern means: itself, all below a prefix, or what a glob says."""
    if not set(pattern) & set("*?["):
        return key == pattern or key.startswith(pattern.rstrip("/") + "/") or not pattern
    return re.fullmatch(_as_regex(pattern), key, re.S) is not None


def format_of_key(key: str) -> Format | None:
    """The format that a key's suffix names; white space after it doesn't count."""
    return format_of(Path(key.rstrip()))


def is_note(key: str, pattern: str) -> bool:
    """Whether a key may be one of notes, which lie beside data: a `.txt` that the pattern doesn't name as such."""
    return key.rstrip().lower().endswith(NOTES) and not pattern.lower().endswith(NOTES)


def is_hidden(key: str) -> bool:
    """Whether a key is passed over, as hidden files are."""
    return any(part.startswith((".", "_")) for part in key.split("/"))


def oddity_of(key: str) -> str | None:
    """Why an object can't be asked for by its key; None if it can."""
    parts = key.split("/")
    if CONTROL.search(key):
        return "its key has a control character, such as a line break"
    if "" in parts:
        return "its key has an empty part: it begins with `/` or has `//` in it"
    if {".", ".."} & set(parts):
        return "its key has `.` or `..` for a part"
    return None


def copy_of(key: str, kept_names: frozenset[str] = frozenset()) -> Path:
    """Where the copy of an object is kept, below a source's folder: one place per key, told by its hash.

    Args:
        key: The object's.
        kept_names: Names of product lists, which profiles look for beside the lines; they are not changed.
    """
    *folders, name = key.split("/")
    inside = [_named(part, "/".join(folders[: depth + 1])) for depth, part in enumerate(folders)]
    if name in kept_names:
        return Path(*inside, name)
    suffixes = PurePosixPath(name.rstrip()).suffixes
    kind = "".join(suffixes[-2:] if suffixes[-1].lower() in COMPRESSED else suffixes[-1:])
    return Path(*inside, _named(name.rstrip().removesuffix(kind), key) + kind.lower())


def _named(shown: str, hashed: str) -> str:
    readable = UNSAFE.sub("-", shown)[:SHOWN_CHARS].strip("-") or "object"
    return f"{readable}-{sha256(hashed.encode()).hexdigest()[:HASH_CHARS]}"


def _as_regex(pattern: str) -> str:
    parts = {"**/": "(?:.*/)?", "**": ".*", "*": "[^/]*", "?": "[^/]"}
    return "".join(parts.get(part) or re.escape(part) for part in re.split(r"(\*\*/|\*\*|\*|\?)", pattern))
