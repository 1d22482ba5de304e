"""YAML whose keys and values are the words that people wrote: `off`, `no`, `NO`, `1.50` and dates stay text.

What the words mean (`true`, `3`) is for the models that take them. Reading files is not done here.
"""

from collections.abc import Collection, Mapping
from typing import Any

import yaml
from pydantic import BaseModel

MAX_NODES = 100_000
"""Values of a document, those that aliases repeat counted each time: a few lines can stand for billions."""

NOTHING = (None, "null", "Null", "NULL")
MERGE = "tag:yaml.org,2002:merge"
NULL = "tag:yaml.org,2002:null"


class YamlTextError(ValueError):
    """Text that is not YAML, or not such that it can be read one way only; the message says where."""


def parse_yaml_text(text: str, *, typed: Collection[str] = ()) -> Any:
    """The document with all scalars as text; a value that is left empty, or is `~`, is None.

    Args:
        text: One YAML document.
        typed: Keys below which YAML's own types hold, as for options that are handed on.

    Raises:
        YamlTextError: It isn't YAML, has a key twice in one mapping, or aliases that repeat too much.
    """
    try:
        root = yaml.compose(text, Loader=yaml.SafeLoader)
        if root is None:
            return None
        _size(root, {})
        return _value(root, frozenset(typed))
    except yaml.YAMLError as error:
        raise YamlTextError(str(error)) from error
    except RecursionError as error:
        raise YamlTextError("it is nested too deeply") from error


def without_nothing(model: type[BaseModel], content: object) -> object:
    """What a model is made from, without keys whose value was left empty: they count as left out.

    For a validator of mode `before`. `null` is nothing only where a field may be None; elsewhere it is a word.
    """
    if not isinstance(content, Mapping):
        return content
    return {key: value for key, value in content.items() if not _is_left_out(model, key, value)}


def _is_left_out(model: type[BaseModel], key: str, value: object) -> bool:
    field = model.model_fields.get(key)
    if field is None or field.is_required():
        return False
    return value is None or (field.default is None and isinstance(value, str) and value in NOTHING)


def _value(node: yaml.Node, typed: frozenset[str]) -> Any:
    if isinstance(node, yaml.SequenceNode):
        return [_value(each, typed) for each in node.value]
    if isinstance(node, yaml.MappingNode):
        return {_word(key): _typed(each) if _word(key) in typed else _value(each, typed) for key, each in _pairs(node)}
    return None if _is_empty(node) else str(node.value)


def _is_empty(node: yaml.Node) -> bool:
    return node.tag == NULL and node.value in ("", "~")


def _word(key: yaml.Node) -> str:
    if not isinstance(key, yaml.ScalarNode):
        raise YamlTextError(f"a key has to be a word, not a list or mapping{_at(key)}")
    return str(key.value)


def _pairs(node: yaml.MappingNode) -> list[tuple[yaml.Node, yaml.Node]]:
    """Keys and values of a mapping; what it merges (`<<`) comes first, so that its own keys win."""
    own = [(key, each) for key, each in node.value if key.tag != MERGE]
    seen: dict[str, yaml.Node] = {}
    for key, _ in own:
        if (first := seen.setdefault(_word(key), key)) is not key:
            raise YamlTextError(
                f"the key {_word(key)!r} is given twice{_at(first)[:-1]} and {_at(key)[2:]}; remove or rename one"
            )
    return [pair for key, each in node.value if key.tag == MERGE for pair in _merged(each)] + own


def _merged(node: yaml.Node) -> list[tuple[yaml.Node, yaml.Node]]:
    if isinstance(node, yaml.MappingNode):
        return _pairs(node)
    if isinstance(node, yaml.SequenceNode):
        return [pair for each in reversed(node.value) for pair in _merged(each)]
    raise YamlTextError(f"`<<` takes a mapping{_at(node)}")


def _typed(node: yaml.Node) -> Any:
    _value(node, frozenset())  # a key twice is an error there, too
    return yaml.SafeLoader("").construct_document(node)


def _size(node: yaml.Node, sizes: dict[int, int]) -> int:
    """How many values a node stands for, aliases followed."""
    if id(node) in sizes:
        if not sizes[id(node)]:
            raise YamlTextError(f"an alias stands for what it is part of{_at(node)}")
        return sizes[id(node)]
    sizes[id(node)] = 0
    children = [] if isinstance(node, yaml.ScalarNode) else node.value
    parts = [part for child in children for part in (child if isinstance(child, tuple) else (child,))]
    total = 1 + sum(_size(part, sizes) for part in parts)
    if total > MAX_NODES:
        raise YamlTextError(f"it has more than {MAX_NODES:,} values, aliases counted each time")
    sizes[id(node)] = total
    return total


def _at(node: yaml.Node) -> str:
    return f" (line {node.start_mark.line + 1})"
