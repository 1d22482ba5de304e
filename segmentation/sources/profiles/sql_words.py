"""Inputs that are called like words of SQL (`order`, `from`): their names are quoted where an expression has them.

DuckDB's grammar isn't repeated here, only as much of it as tells an operand from the words between operands.
"""

import re
from collections.abc import Collection, Iterator
from dataclasses import dataclass

TOKEN = re.compile(
    r"""(?P<space>\s+|--[^\n]*|/\*.*?\*/)
    |(?P<text>[eE]'(?:[^'\\]|\\.|'')*'|'(?:[^']|'')*'|\$(?P<tag>\w*)\$.*?\$(?P=tag)\$)
    |(?P<name>"(?:[^"]|"")*")
    |(?P<number>\d[\w.]*)
    |(?P<word>[^\W\d]\w*)
    |(?P<symbol>::|:=|.)""",
    re.VERBOSE | re.DOTALL,
)

BEFORE_OPERANDS = frozenset(
    {"and", "or", "in", "like", "ilike", "glob", "between", "when", "then", "else"}
    | {"from", "for", "to", "zone", "escape", "by", "placing", "overlaps"}
)
"""Words after an operand that another operand follows; after all others (`is`, `as`, `end`) none does."""

BEGINNING = frozenset(
    {"case", "not", "when", "distinct", "exists", "lambda", "all", "any", "some"}
    | {"interval", "both", "leading", "trailing"}
)
"""Words that stand where an operand is expected, and leave it expected."""

AFTER_OPERANDS = BEFORE_OPERANDS | {"is", "not", "as", "at", "end", "collate", "similar", "isnull", "notnull"}


@dataclass(frozen=True)
class _Token:
    kind: str
    text: str

    @property
    def word(self) -> str:
        return self.text.casefold() if self.kind == "word" else ""


def quoted(expression: str, names: Collection[str]) -> str:
    """The expression with those of the names in quotation marks that stand where a value is expected.

    Strings, comments, quoted names and what follows a point are left as they are.
    """
    tokens = list(_tokens(expression))
    operands = set(_operands(tokens, frozenset(names)))
    return "".join(f'"{token.word}"' if at in operands else token.text for at, token in enumerate(tokens))


def bare_words(expression: str) -> frozenset[str]:
    """The words of an expression that aren't in quotes and don't follow a point, in lower case."""
    tokens = [token for token in _tokens(expression) if token.kind != "space"]
    return frozenset(
        token.word
        for before, token in zip([_Token("symbol", ""), *tokens], tokens, strict=False)
        if token.word and before.text != "."
    )


def _tokens(expression: str) -> Iterator[_Token]:
    for match in TOKEN.finditer(expression):
        kind = next(kind for kind in ("space", "text", "name", "number", "word", "symbol") if match[kind] is not None)
        yield _Token(kind, match[0])


def _operands(tokens: list[_Token], names: frozenset[str]) -> Iterator[int]:
    """Positions of the words that are names where a value is expected."""
    visible = [at for at, token in enumerate(tokens) if token.kind != "space"]
    is_expected, before = True, _Token("symbol", "")
    for number, at in enumerate(visible):
        token = tokens[at]
        following = tokens[visible[number + 1]] if number + 1 < len(visible) else None
        if before.text in ("::", ".") or before.word == "as":  # a type, or a part of the name before
            is_expected = False
        elif token.kind == "symbol":
            is_expected = token.text not in (")", "]")
        elif not token.word or not is_expected:
            is_expected = token.word in BEFORE_OPERANDS
        elif token.word in names and _is_value(token, before, following):
            is_expected = False
            yield at
        else:
            is_expected = token.word in BEGINNING
        before = token


def _is_value(token: _Token, before: _Token, following: _Token | None) -> bool:
    """Whether a word that is a name, where a value is expected, is one: what follows it can follow a value."""
    if following is None:
        return True
    if token.word == "when" and before.word == "case":
        return False
    if token.word in ("case", "not"):
        return following.kind == "symbol" and following.text not in "([+-"
    if following.kind == "symbol":
        return following.text != "(" and not (token.word == "array" and following.text == "[")
    return following.word in AFTER_OPERANDS
