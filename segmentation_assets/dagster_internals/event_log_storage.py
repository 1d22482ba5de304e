"""Dagster's event log in SQLite files, which `segmentation_assets.event_log` writes in a quicker way.

`SqliteEventLogStorage`: the storage itself, of which `_connect`, `store_event`, `has_table` and
`_has_asset_key_index_cols_on_connection` are overridden, and `_initdb`, `_initialized_dbs`, `path_for_shard` and
`conn_string_for_shard` called. If these change, runs from the command line fail at their first event or are slow
again; `test_event_log` compares the logs of both.

`SQLITE_BUSY_TIMEOUT_SECONDS`: how long Dagster waits for a file that is locked. If it changes, ours waits less or more
than others do.

`InstanceRef`, `ConfigurableClassData`: which classes an instance is made of. If they change, no instance can be opened
with another event log.
"""

from dagster._core.instance.ref import InstanceRef
from dagster._core.storage.event_log.sqlite import SqliteEventLogStorage
from dagster._core.storage.sqlite import SQLITE_BUSY_TIMEOUT_SECONDS
from dagster._serdes import ConfigurableClassData

__all__ = ["SQLITE_BUSY_TIMEOUT_SECONDS", "ConfigurableClassData", "InstanceRef", "SqliteEventLogStorage"]
