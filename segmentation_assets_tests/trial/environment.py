"""Where a trial runs: its lake, catalogue, object store and broker, and the faults that befall them."""

import ctypes
import errno
import mmap
import os
import shutil
import sqlite3
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

from segmentation_assets_tests.testing.postgres import Postgres
from segmentation_assets_tests.trial import store_proxy
from segmentation_assets_tests.trial.clock import SharedClock
from segmentation_assets_tests.trial.plan import Fault
from segmentation_assets_tests.trial.zygote import Child, fork

DISK_BYTES = 128 * 1024 * 1024
FILE_BYTES = 64 * 1024
"""What a child may write while the disk is full, where no disk of its own could be mounted."""
TRIES = 5
"""How often the disk is measured again, because somebody else took what was left."""
CLONE_NEWNS, MS_REC, MS_PRIVATE = 0x20000, 0x4000, 1 << 18


@dataclass
class Environment:
    """What can be broken, and put right again.

    Attributes:
        folder: Of the trial.
        variables: Of the processes.
        clock: All processes' clock.
        servers: The broker's address.
        postgres: The catalogue's server, if it has one.
        proxy_mode: What the way to the object store does, if there is one.
        disk: A small disk that the lake is on, if it could be mounted.
        is_full: Whether the disk is full; without one of its own, children may write small files only.
    """

    folder: Path
    variables: dict[str, str]
    clock: SharedClock
    servers: str
    postgres: Postgres | None = None
    proxy_mode: mmap.mmap | None = None
    disk: Path | None = None
    is_full: bool = False
    _locker: Child | None = field(default=None)
    _count: int = 0

    def begin(self, fault: Fault) -> Callable[[], None]:
        """Let a fault begin; returns what ends it."""
        match fault.kind:
            case "catalogue_down":
                return self._stop_postgres() if self.postgres else self._lock_catalogue()
            case "store_failing" | "store_slow":
                return self._break_store(store_proxy.FAILING if fault.kind == "store_failing" else store_proxy.SLOW)
            case "disk_full":
                return self._fill_disk(fault.amount)
            case _:
                self.clock.move(fault.amount * 3600)
                return lambda: self.clock.move(0)

    @property
    def file_bytes(self) -> int | None:
        """How large a file a new process may write."""
        return FILE_BYTES if self.is_full and self.disk is None else None

    def _stop_postgres(self) -> Callable[[], None]:
        assert self.postgres is not None
        self.postgres.stop()
        return self.postgres.start

    def _lock_catalogue(self) -> Callable[[], None]:
        catalogue, self._count = Path(self.variables["SEGMENTATION_HOME"]) / "catalog.sqlite", self._count + 1
        folder = self.folder / "steps" / f"lock-{self._count}"
        locker = fork(lambda: _hold(catalogue), folder, self.variables)

        def end() -> None:
            locker.kill()
            locker.wait(10)

        return end

    def _break_store(self, mode: int) -> Callable[[], None]:
        memory = self.proxy_mode
        assert memory is not None
        memory[0] = mode

        def end() -> None:
            memory[0] = store_proxy.PASSING

        return end

    def _fill_disk(self, left_bytes: int) -> Callable[[], None]:
        self.is_full = True
        ballast = self.disk / "ballast" if self.disk else None
        if ballast and self.disk:
            with ballast.open("wb") as file:
                _fill(file.fileno(), self.disk, left_bytes)

        def end() -> None:
            self.is_full = False
            if ballast:
                ballast.unlink()

        return end


def _fill(file: int, disk: Path, left_bytes: int) -> None:
    """Take all but so much of a disk, of which others take something meanwhile."""
    for _ in range(TRIES):
        usage = os.statvfs(disk)
        try:
            os.posix_fallocate(file, 0, max(usage.f_bavail * usage.f_frsize - left_bytes, 4096))
        except OSError as error:
            if error.errno != errno.ENOSPC:
                raise
        else:
            return


def _hold(catalogue: Path) -> None:
    """Let nobody write to a catalogue until killed."""
    with sqlite3.connect(catalogue, timeout=30, isolation_level=None) as connection:
        connection.execute("BEGIN EXCLUSIVE")
        time.sleep(60)


def mount_disk(folder: Path, stack: ExitStack) -> bool:
    """Put a small disk at a folder, which only this process and its children see; False where that isn't allowed."""
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.unshare(CLONE_NEWNS) or libc.mount(b"none", b"/", None, MS_REC | MS_PRIVATE, None):
        return False
    folder.mkdir()
    if libc.mount(b"tmpfs", bytes(folder), b"tmpfs", 0, f"size={DISK_BYTES}".encode()):
        folder.rmdir()
        return False
    stack.callback(libc.umount2, bytes(folder), 2)
    return True


def keep(folder: Path, kept: Path) -> None:
    """Copy a trial's folder to where it stays; a mounted disk ends with the trial."""
    shutil.copytree(folder, kept, symlinks=True, ignore=shutil.ignore_patterns("ballast"), dirs_exist_ok=True)
