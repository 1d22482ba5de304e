"""A MariaDB server that a test starts."""

import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from segmentation_assets_tests.testing.ports import free_port

START_S = 60


@dataclass(frozen=True)
class Mysql:
    """A server of its own, with a database `shop` and a user `reader`."""

    port: int
    socket: Path

    @property
    def connection(self) -> str:
        """Its address, as sources.yaml has it."""
        return f"host=127.0.0.1 port={self.port} user=reader password=secret database=shop"

    def run(self, sql: str) -> None:
        """Run statements as root."""
        command = ["mariadb", "--no-defaults", f"--socket={self.socket}", "--user=root", "shop"]
        done = subprocess.run(command, input=sql, capture_output=True, text=True, timeout=60, check=False)
        assert done.returncode == 0, done.stderr


@contextmanager
def running_mysql() -> Iterator[Mysql]:
    """A server on a free loopback port; without MariaDB's programs the test is skipped, but not in CI."""
    server = shutil.which("mariadbd", path=f"{os.environ['PATH']}:/usr/sbin")
    if server is None:
        reason = "needs MariaDB's server programs: apt-get install mariadb-server"
        assert "CI" not in os.environ, reason
        pytest.skip(reason)
    folder = Path(tempfile.mkdtemp(prefix="segmentation-mysql-"))
    if os.getuid() == 0:
        shutil.chown(folder, "mysql")
    user = ["--user=mysql"] if os.getuid() == 0 else []
    install = ["mariadb-install-db", "--no-defaults", f"--datadir={folder}/data", *user, "--skip-test-db"]
    subprocess.run(
        [*install, "--auth-root-authentication-method=normal"], capture_output=True, timeout=START_S, check=True
    )
    port = free_port()
    found = Mysql(port, folder / "socket")
    options = [f"--datadir={folder}/data", f"--socket={found.socket}", f"--port={port}", "--bind-address=127.0.0.1"]
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen([server, "--no-defaults", *options, *user], stdout=log, stderr=log)
    try:
        _wait_for(found, process, folder / "log")
        yield found
    finally:
        process.terminate()
        process.wait(START_S)
        shutil.rmtree(folder)


def _wait_for(server: Mysql, process: "subprocess.Popen[bytes]", log: Path) -> None:
    grant = "CREATE DATABASE shop; CREATE USER reader@'%' IDENTIFIED BY 'secret'; GRANT SELECT ON shop.* TO reader@'%';"
    command = ["mariadb", "--no-defaults", f"--socket={server.socket}", "--user=root"]
    deadline = time.monotonic() + START_S
    while process.poll() is None and time.monotonic() < deadline:
        done = subprocess.run(command, input=grant, capture_output=True, text=True, timeout=60, check=False)
        if done.returncode == 0:
            return
        time.sleep(0.2)
    raise AssertionError(log.read_text())
