"""Which code this is."""

import ast
import hashlib
import importlib.util
import os
import subprocess
from functools import cache
from pathlib import Path

GIT_TIMEOUT_S = 5


@cache
def git_commit() -> str | None:
    """The commit of the code that runs.

    Returns:
        `SOURCE_COMMIT`, which images set; else what git says of the source tree, with `-dirty` after it if
        files differ from the commit; None for an installed package.
    """
    told = os.environ.get("SOURCE_COMMIT", "").removeprefix("unknown")
    root = Path(__file__).parent.parent
    if told or not (root / ".git").exists():
        return told or None
    command = ["git", "-C", str(root), "describe", "--always", "--dirty", "--abbrev=40", "--exclude=*"]
    try:
        return subprocess.run(command, capture_output=True, text=True, check=True, timeout=GIT_TIMEOUT_S).stdout.strip()
    except (OSError, subprocess.SubprocessError):
        return None


@cache
def code_of(*modules: str) -> str:
    """A hash of what modules do: comments, docstrings and layout don't count. None of them is imported."""
    return hashlib.sha256("\n".join(_meaning_of(module) for module in modules).encode()).hexdigest()[:12]


def _meaning_of(module: str) -> str:
    spec = importlib.util.find_spec(module)
    if spec is None or spec.origin is None:
        raise ModuleNotFoundError(f"There is no module {module}.")
    tree = ast.parse(Path(spec.origin).read_text(encoding="utf-8"))
    for node in ast.walk(tree):
        body = getattr(node, "body", None)
        if isinstance(body, list):
            node.body = [each for each in body if not _is_docstring(each)]  # type: ignore[attr-defined]
    return ast.dump(tree)


def _is_docstring(node: ast.AST) -> bool:
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)
