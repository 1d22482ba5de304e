"""How the command that is running can be called again, from the folder where it was called."""

import os
import shlex
import sys
from pathlib import Path

from segmentation.settings import Settings


def invocation(settings: Settings) -> str:
    """What to write before a command's words so that this program works on this lake."""
    program = program_name(Path(sys.prefix), Path.cwd(), os.environ.get("PATH", ""))
    return f"{home_prefix(settings)}{program}"


def home_prefix(settings: Settings) -> str:
    """The variable that leads to this lake's home, and a space; empty if that is where it is by default."""
    is_default = settings.home == Settings.model_fields["home"].default
    return "" if is_default else f"SEGMENTATION_HOME={shlex.quote(str(settings.home))} "


def program_name(environment: Path, folder: Path, path: str) -> str:
    """What calls the program of an environment: its name where the shell finds it, else the way to it.

    Args:
        environment: The virtual environment.
        folder: The working directory.
        path: The shell's search path.
    """
    scripts = environment / "bin"
    if environment.name != ".venv" or str(scripts) in path.split(os.pathsep):
        return "segmentation"
    local = folder / ".venv"
    is_here = local.exists() and local.samefile(environment)
    return ".venv/bin/segmentation" if is_here else shlex.quote(str(scripts / "segmentation"))
