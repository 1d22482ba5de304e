"""A PostgreSQL server that a test starts, and may stop and start again."""

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psycopg2
import pytest

from segmentation_assets_tests.testing.ports import free_port


@dataclass(frozen=True)
class Postgres:
    """A server of its own.

    Attributes:
        address: For libpq.
        binaries: Where its programs are.
        folder: Its data and log.
        options: That it is started with.
    """

    address: str
    binaries: Path
    folder: Path
    options: str

    def start(self) -> None:
        """Start it, and wait until it answers."""
        self._control("-l", f"{self.folder}/log", "-o", self.options, "-w", "start")

    def stop(self) -> None:
        """Stop it at once, whatever is connected."""
        self._control("-m", "immediate", "-w", "stop")

    def ask_for_passwords(self) -> None:
        """Let nobody but the superuser in without a password."""
        rules = (
            "local all postgres trust",
            "host all postgres 127.0.0.1/32 trust",
            "host all all 127.0.0.1/32 scram-sha-256",
        )
        (self.folder / "data" / "pg_hba.conf").write_text("\n".join(rules) + "\n")
        self._control("reload")

    def new_database(self) -> str:
        """Make an empty database; returns its address for libpq."""
        name = f"lake_{os.urandom(4).hex()}"
        connection = psycopg2.connect(f"{self.address} dbname=postgres")
        connection.autocommit = True
        connection.cursor().execute(f"CREATE DATABASE {name}")
        connection.close()
        return f"{self.address} dbname={name}"

    def _control(self, *arguments: str) -> None:
        _as_postgres(f"{self.binaries}/pg_ctl", "-D", f"{self.folder}/data", *arguments)


@contextmanager
def running_postgres() -> Iterator[Postgres]:
    """A server on a free loopback port; without PostgreSQL's programs the test is skipped, but not in CI."""
    binaries = find_binaries()
    if binaries is None:
        reason = "needs PostgreSQL's server programs: apt-get install postgresql"
        assert "CI" not in os.environ, reason
        pytest.skip(reason)
    folder = Path(tempfile.mkdtemp(prefix="segmentation-postgres-"))
    if os.getuid() == 0:
        shutil.chown(folder, "postgres")
    port = free_port()
    options = f"-p {port} -k {folder} -c listen_addresses=127.0.0.1 -c fsync=off"
    server = Postgres(f"host=127.0.0.1 port={port} user=postgres", binaries, folder, options)
    _as_postgres(f"{binaries}/initdb", "-D", f"{folder}/data", "-A", "trust", "-U", "postgres")
    server.start()
    try:
        yield server
    finally:
        if (folder / "data" / "postmaster.pid").exists():
            server.stop()
        shutil.rmtree(folder)


def find_binaries() -> Path | None:
    """Where PostgreSQL's server programs are, if they are."""
    found = shutil.which("initdb")
    folders = [Path(found).parent] if found else sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)
    return next((folder for folder in folders if (folder / "initdb").exists()), None)


def _as_postgres(*command: str) -> None:
    """PostgreSQL's programs refuse to run as root."""
    prefix = ["runuser", "-u", "postgres", "--"] if os.getuid() == 0 else []
    done = subprocess.run([*prefix, *command], capture_output=True, text=True, timeout=60, check=False, cwd="/")
    assert done.returncode == 0, done.stdout + done.stderr


def run_script(server: Postgres, script: Path, environment: Mapping[str, str]) -> None:
    """Run a script of psql's as the superuser, as the image of PostgreSQL does at its first start."""
    psql = shutil.which("psql")
    assert psql, "needs psql: apt-get install postgresql-client"
    command = [psql, f"{server.address} dbname=postgres", "--no-psqlrc", "-v", "ON_ERROR_STOP=1", "-f", str(script)]
    variables = {**os.environ, **environment}
    done = subprocess.run(command, env=variables, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
