"""A bar for work that is counted in bytes."""

from collections.abc import Iterator
from contextlib import contextmanager

from rich.progress import BarColumn, DownloadColumn, TextColumn, TimeRemainingColumn
from rich.progress import Progress as Bar

from segmentation.progress import Progress
from segmentation.terminal import make_console


@contextmanager
def byte_bar(title: str, *, is_shown: bool = True) -> Iterator[Progress]:
    """A bar on a terminal, nothing elsewhere."""
    columns = (TextColumn(title), BarColumn(), DownloadColumn(), TimeRemainingColumn())
    terminal = make_console(stderr=True)
    with Bar(*columns, console=terminal, transient=True, disable=not (is_shown and terminal.is_terminal)) as bar:
        task = bar.add_task(title, total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)
