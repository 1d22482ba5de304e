"""Dagster's event log in SQLite files, which `segmentation_assets.event_log` writes in a quicker way.

`SqliteEventLogStorage`: the storage itself, of which `_connect`, `store_event`, `has_table`, `_initdb` and
`_has_asset_key_index_cols_on_connection` are overridden or called. If these change, runs from the command line are
slow again or fail at their first event; `test_event_log` compares the logs of both.

`InstanceRef`: which classes an instance is made of. If it changes, no instance can be opened with another event log.

`ConfigurableClassData`: how it names such a class.
"""

from dagster._core.instance.ref import InstanceRef
from dagster._core.storage.event_log.sqlite import SqliteEventLogStorage
from dagster._serdes import ConfigurableClassData

__all__ = ["ConfigurableClassData", "InstanceRef", "SqliteEventLogStorage"]
