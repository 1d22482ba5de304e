"""PIVOT that takes its columns from the data: DuckDB tells no tree of it, so it is checked word by word.

That is stricter than a look at the tree, and refuses what it can't be sure of; PIVOT with a list of values
(`ON column IN (…)`) has a tree.
"""

import re
from collections.abc import Collection, Iterator
from itertools import pairwise

from segmentation.errors import RefusedQueryError
from segmentation.warehouse.read_only_sql.functions import ALLOWED, CATALOGUES, REFUSED_RELATIONS, groups
from segmentation.warehouse.read_only_sql.names import check_function, check_relation, looks_like_file

_WORDS = (
    "all and any as asc between by case cast cross desc distinct else end except exclude exists filter from full "
    "group having in include inner intersect is join lateral left like limit materialized natural not nulls offset on "
    "or order outer over partition pivot pivot_longer pivot_wider positional qualify recursive replace right rows "
    "sample select semi anti then union unpivot using values when where window with within decimal numeric varchar char"
)
KEYWORDS = frozenset(_WORDS.split())
"""Words before a bracket that call no function; those that are one as well are allowed anyway."""

_TOKEN = re.compile(
    r"""(?P<space>\s+|--[^\r\n]*|/\*(?:[^*/]|\*(?!/)|/(?!\*))*\*/)
    |(?P<text>'(?:[^']|'')*')
    |"(?P<quoted>(?:[^"]|"")*)"
    |(?P<word>[^\W\d]\w*)
    |(?P<number>[0-9][\w.]*)
    |(?P<other>.)""",
    re.VERBOSE | re.DOTALL,
)


def check(text: str, allow_files: bool, macros: Collection[str]) -> None:
    """Refuse a PIVOT with a function or a relation that does anything but read.

    Raises:
        RefusedQueryError: It is refused, or can't be told for sure.
    """
    tokens = list(_tokens(text.strip().rstrip(";")))
    for (kind, value), (_, following) in pairwise([*tokens, ("other", "")]):
        if kind == "text":
            if looks_like_file(value) and not allow_files:
                check_relation([value], allow_files)
        elif kind in ("word", "quoted"):
            _check_name(value, kind, following == "(", allow_files, macros)


def _check_name(value: str, kind: str, is_called: bool, allow_files: bool, macros: Collection[str]) -> None:
    name = value.lower()
    is_keyword = kind == "word" and name in KEYWORDS
    if is_called and not (is_keyword and groups().get(name, ALLOWED) == ALLOWED):
        check_function(value, allow_files, macros)
    if name.startswith(CATALOGUES[0]) or name in (CATALOGUES[1], *REFUSED_RELATIONS):
        check_relation([value, value], allow_files)
    if kind == "quoted" and looks_like_file(value):
        check_relation([value], allow_files)


def _tokens(text: str) -> Iterator[tuple[str, str]]:
    before = ""
    for match in _TOKEN.finditer(text):
        kind, value = str(match.lastgroup), match[0]
        if kind == "text":
            if before.lower() in ("e", "u&", "&"):
                raise _unsure("a text with a prefix, such as E'…'")
            value = value[1:-1].replace("''", "'")
        elif kind == "quoted":
            value = match["quoted"].replace('""', '"')
        elif kind == "other" and (value in "$'\"" or not value.isascii()):
            raise _unsure(f"the character {value!r}")
        elif kind == "other" and value == ";":
            raise RefusedQueryError("Give one query at a time, without others after a semicolon.")
        elif kind == "other" and value == "/" and text.startswith("/*", match.start()):
            raise _unsure("a comment in a comment, or one without an end")
        before = value
        if kind != "space":
            yield kind, value


def _unsure(what: str) -> RefusedQueryError:
    return RefusedQueryError(
        f"A PIVOT without a list of values may not hold {what}. Write `ON column IN (…)`, or write it differently."
    )
