"""Which code this is."""

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
