"""The commands `backup` and `restore`."""

from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape

from segmentation.cli.byte_bar import byte_bar
from segmentation.cli.output import JsonFlag, console, print_json
from segmentation.clock import utc_now
from segmentation.settings import load_settings
from segmentation.warehouse.backup import Manifest, make_backup, restore_backup


def backup(
    destination: Annotated[Path, typer.Argument(help="Folder of the backups; made if there is none.")],
    keep: Annotated[
        int | None, typer.Option(min=1, help="Keep so many backups, the newest, and drop the others; all if left out.")
    ] = None,
    as_json: JsonFlag = False,
) -> None:
    """Back up the lake, also while pipelines write; only files that the folder lacks are copied.

    For example: segmentation backup /mnt/backups/lake --keep 14
    """
    now = utc_now()
    with byte_bar("Backing up") as progress:
        made = make_backup(load_settings(), destination, now=now, keep=keep, progress=progress)
    figures = {
        "backup": str(made.path),
        **_facts(made.manifest),
        "files_copied": made.copied_files,
        "bytes_copied": made.copied_bytes,
        "backups_dropped": [str(path) for path in made.dropped],
        "files_removed": made.removed_files,
    }
    if as_json:
        print_json(figures)
        return
    console.print(
        f"{escape(str(made.path))}: {_described(made.manifest)}. Copied {made.copied_files:,} files, "
        f"{_megabytes(made.copied_bytes)}; dropped {len(made.dropped):,} backups and {made.removed_files:,} files.",
        soft_wrap=True,
    )


def restore(
    backup: Annotated[Path, typer.Argument(help="A backup, or the folder of backups, whose newest one is taken.")],
    force: Annotated[
        bool, typer.Option("--force", help="Restore although there is a lake with data, which is lost.")
    ] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only verify the backup; change nothing.")] = False,
    as_json: JsonFlag = False,
) -> None:
    """Make the lake what it was when it was backed up, where the settings say.

    All files of the backup are verified first. Stop pipelines and scorer before, and start them again afterwards.

    For example: segmentation restore /mnt/backups/lake
    """
    with byte_bar("Restoring") as progress:
        restored = restore_backup(load_settings(), backup, force=force, dry_run=dry_run, progress=progress)
    if as_json:
        figures = {"backup": str(restored.path), **_facts(restored.manifest), "files_copied": restored.copied_files}
        print_json(figures)
        return
    done = "is whole; nothing was changed" if dry_run else f"restored, {restored.copied_files:,} files copied"
    console.print(f"{escape(str(restored.path))}: {_described(restored.manifest)}; {done}.", soft_wrap=True)


def _facts(manifest: Manifest) -> dict[str, object]:
    return {
        "made_at": manifest.made_at,
        "snapshot": manifest.snapshot,
        "tables": manifest.tables,
        "files": len(manifest.files),
        "bytes": manifest.data_bytes,
    }


def _described(manifest: Manifest) -> str:
    return f"snapshot {manifest.snapshot:,} with {len(manifest.files):,} files, {_megabytes(manifest.data_bytes)}"


def _megabytes(count: int) -> str:
    return f"{count / 1e6:,.1f} MB"
