"""Promoting and rolling back on behalf of a caller: the very command that people use, in a process of its own.

Gates read whole snapshots and fit models, for minutes on a large lake and with scikit-learn; none of that belongs into
a process that scores. The lake changes in one transaction, so a command that is killed has changed nothing.
"""

import asyncio
import logging
import os
import sys
from dataclasses import dataclass
from http import HTTPStatus

import msgspec

from segmentation.settings import Settings, as_environment
from serving.api.problems import ProblemError

TIMEOUT_S = 600
MESSAGE = "Error: "

logger = logging.getLogger(__name__)


class PromotionOutcome(msgspec.Struct, frozen=True):
    """What the command prints with `--json`; see `segmentation models promote --help`."""

    champion: int
    is_new: bool


@dataclass(frozen=True)
class Promoter:
    """Runs the commands in the scorer's own installation."""

    settings: Settings

    async def promote(self, version: int, *, actor: str, reason: str, override: bool) -> PromotionOutcome:
        """Make a version the champion.

        Raises:
            ProblemError: Its gates refuse it, or it can't be done here (409).
        """
        options = ["--override"] if override else []
        return await self._run("promote", str(version), "--reason", reason, "--actor", actor, *options)

    async def roll_back(self, version: int, *, actor: str, reason: str) -> PromotionOutcome:
        """Put the version before a champion back into service.

        Raises:
            ProblemError: The version isn't champion, or there is none before it (409).
        """
        return await self._run("rollback", "--from", str(version), "--reason", reason, "--actor", actor)

    async def _run(self, *arguments: str) -> PromotionOutcome:
        command = [sys.executable, "-m", "segmentation.cli", "models", *arguments, "--json"]
        pipe = asyncio.subprocess.PIPE
        process = await asyncio.create_subprocess_exec(*command, stdout=pipe, stderr=pipe, env=self._environment())
        try:
            stdout, stderr = await process.communicate()
        except asyncio.CancelledError:
            process.kill()
            await process.wait()
            raise
        if process.returncode:
            raise ProblemError(HTTPStatus.CONFLICT, "refused", _reason(stderr.decode(errors="replace").strip()))
        return msgspec.json.decode(stdout, type=PromotionOutcome)

    def _environment(self) -> dict[str, str]:
        return {**os.environ, **as_environment(self.settings)}


def _reason(stderr: str) -> str:
    """What the command says to people; anything else it said is for the log."""
    if stderr.startswith(MESSAGE):
        return stderr.removeprefix(MESSAGE)
    logger.error("The command failed: %s", stderr)
    return "The command failed; the scorer's log says why."
