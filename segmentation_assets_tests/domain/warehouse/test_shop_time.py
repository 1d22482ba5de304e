from datetime import datetime, timedelta

import duckdb
import pytest

from segmentation.shop_calendar import local_time, utc_offsets
from segmentation.warehouse.shop_time import shop_time_macro

SINCE, UNTIL = datetime(2017, 6, 1), datetime(2019, 6, 1)


@pytest.mark.parametrize("zone", ["UTC", "Europe/Berlin", "America/Sao_Paulo", "Australia/Lord_Howe"])
def test_clocks_in_sql_show_what_they_show_in_python(zone: str) -> None:
    changes = [begin for begin, _ in utc_offsets(zone, SINCE, UNTIL)]
    shifts = (timedelta(), timedelta(microseconds=-1), timedelta(days=40), timedelta(hours=1))
    known = (*changes, datetime(2018, 11, 4, 3), datetime(2018, 3, 25, 1))
    moments = [change + shift for change in known for shift in shifts]
    listed = ", ".join(f"({number}, TIMESTAMP '{moment}')" for number, moment in enumerate(moments))
    with duckdb.connect() as con:
        con.execute(f"CREATE TEMP MACRO {shop_time_macro(zone, SINCE, UNTIL)}")
        query = f"SELECT shop_time(moment) FROM (VALUES {listed}) AS given(number, moment) ORDER BY number"
        shown = [each for (each,) in con.execute(query).fetchall()]
    assert shown == [local_time(moment, zone) for moment in moments]
