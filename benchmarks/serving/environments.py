"""The interpreter that a contender runs in: this one if it has the packages, else one of an environment made for it."""

import hashlib
import re
import subprocess
import sys
from collections.abc import Callable, Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from benchmarks.serving.contenders import MODEL, Contender

TIME_LIMIT_S = 600


class CannotRunError(Exception):
    """A contender can't be installed or started; the message says why."""


def python_for(contender: Contender, cache: Path, announce: Callable[[str], None]) -> str:
    """An interpreter with the contender's packages.

    Args:
        contender: The contender.
        cache: Where environments are made and kept.
        announce: Is told what takes a while.

    Raises:
        CannotRunError: They can't be installed.
    """
    if not missing(contender.requirements):
        return sys.executable
    wanted = [*(f"{name}=={version(name)}" for name in MODEL), *contender.requirements]
    digest = hashlib.sha256("\n".join([sys.version, *wanted]).encode()).hexdigest()[:8]
    folder = cache / f"serving-{contender.name}-{digest}"
    python, is_ready = folder / "bin" / "python", folder / "is-ready"
    if not is_ready.exists():
        announce(f"Installing {', '.join(contender.requirements)} into {folder} (once; a minute or so)")
        run([sys.executable, "-m", "venv", "--clear", str(folder)])
        run([str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", *wanted])
        is_ready.touch()
    return str(python)


def missing(requirements: Sequence[str]) -> list[str]:
    """Those of some pinned packages that this interpreter doesn't have in whatever release."""
    return [requirement for requirement in requirements if not _is_installed(re.split(r"[\[=]", requirement)[0])]


def run(words: Sequence[str], environment: dict[str, str] | None = None) -> None:
    """Run a command to its end.

    Raises:
        CannotRunError: It fails, or takes too long.
    """
    try:
        done = subprocess.run(words, env=environment, capture_output=True, text=True, check=False, timeout=TIME_LIMIT_S)
    except subprocess.TimeoutExpired as error:
        raise CannotRunError(f"{words[2]} took more than {TIME_LIMIT_S} s") from error
    if done.returncode:
        raise CannotRunError(f"{words[2]} failed: {last_line(done.stderr)}")


def last_line(text: str) -> str:
    """What a program said last: most probably why it failed."""
    lines = text.strip().splitlines()
    return lines[-1][:300] if lines else "it does not say why"


def _is_installed(package: str) -> bool:
    try:
        version(package)
    except PackageNotFoundError:
        return False
    return True
