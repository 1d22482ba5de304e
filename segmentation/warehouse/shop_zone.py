"""The time zone of the shop: the setting, else the one that the lake's sources agree on.

What a day means in it is in `segmentation.shop_calendar`. Snapshots record the zone that they were made in.
"""

import duckdb

from segmentation.metadata.tables.raw import SOURCE_FILES
from segmentation.settings import Settings
from segmentation.shop_calendar import UNIVERSAL, is_zone

# Profiles are kept as YAML that `Profile.to_yaml` wrote: one key a line, and none for a default.
ZONES = rf"""
SELECT DISTINCT zone
FROM (SELECT DISTINCT regexp_extract(profile, '(?m)^timezone: (\S+)$', 1) AS zone FROM {SOURCE_FILES.name})
WHERE zone <> ''
ORDER BY zone
"""


def shop_zone(con: duckdb.DuckDBPyConnection, settings: Settings) -> str:
    """The name of the zone in which the shop's days begin.

    Args:
        con: A cursor of the lake; may be read-only.
        settings: Of the installation. If they name no zone, it is the one that the profiles of files name, as far as
            they name any; UTC if they name several, or none.
    """
    if settings.timezone:
        return settings.timezone
    named = zones_of_sources(con)
    return named[0] if len(named) == 1 and is_zone(named[0]) else UNIVERSAL


def zones_of_sources(con: duckdb.DuckDBPyConnection) -> list[str]:
    """The zones that the profiles of registered files name for times without an offset, in order."""
    return [zone for (zone,) in con.execute(ZONES).fetchall()]
