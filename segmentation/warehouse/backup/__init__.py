"""Backups of the lake: a copy of its catalog as of one moment, and the data files that the copy needs.

A backup folder holds a pool of data files, which all backups in it share, and a folder per backup::

    files/raw/transactions/…/ducklake-….parquet
    2026-11-22T140513.042Z/catalog.sqlite
    2026-11-22T140513.042Z/manifest.json

The catalog is an SQLite file whatever the lake's own is; see docs/decisions/0015-a-backup-is-a-lake.md. Nothing here
knows what the lake is for.
"""

from segmentation.warehouse.backup.making import Backup, make_backup
from segmentation.warehouse.backup.manifest import Manifest
from segmentation.warehouse.backup.restoring import Restored, restore_backup

__all__ = ["Backup", "Manifest", "Restored", "make_backup", "restore_backup"]
