"""A PostgreSQL server for catalogues, and lakes on it."""

import os
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from segmentation.settings import Settings


def _binaries() -> Path | None:
    found = shutil.which("initdb")
    folders = [Path(found).parent] if found else sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)
    return next((folder for folder in folders if (folder / "initdb").exists()), None)


def _as_postgres(*command: str) -> None:
    """PostgreSQL's programs refuse to run as root."""
    prefix = ["runuser", "-u", "postgres", "--"] if os.getuid() == 0 else []
    done = subprocess.run([*prefix, *command], capture_output=True, text=True, timeout=60, check=False, cwd="/")
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    """A PostgreSQL server on a free loopback port; yields its address for libpq."""
    binaries = _binaries()
    if binaries is None:
        reason = "needs PostgreSQL's server programs: apt-get install postgresql"
        assert "CI" not in os.environ, reason
        pytest.skip(reason)
    folder = Path(tempfile.mkdtemp(prefix="segmentation-postgres-"))
    if os.getuid() == 0:
        shutil.chown(folder, "postgres")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    data, log = f"{folder}/data", f"{folder}/log"
    options = f"-p {port} -k {folder} -c listen_addresses=127.0.0.1 -c fsync=off"
    _as_postgres(f"{binaries}/initdb", "-D", data, "-A", "trust", "-U", "postgres")
    _as_postgres(f"{binaries}/pg_ctl", "-D", data, "-l", log, "-o", options, "-w", "start")
    try:
        yield f"host=127.0.0.1 port={port} user=postgres"
    finally:
        _as_postgres(f"{binaries}/pg_ctl", "-D", data, "-m", "immediate", "-w", "stop")
        shutil.rmtree(folder)


@pytest.fixture
def postgres(server: str, tmp_path: Path) -> Settings:
    """Settings of a lake in an empty database of its own."""
    import psycopg2

    name = f"lake_{os.urandom(4).hex()}"
    connection = psycopg2.connect(f"{server} dbname=postgres")
    connection.autocommit = True
    connection.cursor().execute(f"CREATE DATABASE {name}")
    connection.close()
    return Settings(home=tmp_path, catalog=f"postgres:{server} dbname={name}", customer_buckets=2, threads=1)
