from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo, available_timezones

import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from segmentation.errors import SegmentationError
from segmentation.settings import load_settings
from segmentation.shop_calendar import first_moment, is_zone, local_day, local_time, utc_offsets

ZONES = sorted(zone for zone in available_timezones() if "/" in zone and not zone.startswith(("posix", "right")))
QUARTER = timedelta(minutes=15)


def test_a_day_begins_at_midnight_of_its_zone() -> None:
    assert first_moment(date(2024, 3, 1), "UTC") == datetime(2024, 3, 1)
    assert first_moment(date(2024, 3, 1), "Europe/Berlin") == datetime(2024, 2, 29, 23)
    assert first_moment(date(2024, 7, 1), "Europe/Berlin") == datetime(2024, 6, 30, 22)
    assert first_moment(date(2024, 3, 1), "America/New_York") == datetime(2024, 3, 1, 5)
    assert first_moment(date(2024, 3, 1), "Asia/Kathmandu") == datetime(2024, 2, 29, 18, 15)


@pytest.mark.parametrize(
    ("zone", "day", "moment"),
    [
        ("America/Sao_Paulo", date(2018, 11, 4), datetime(2018, 11, 4, 3)),  # 00:00 became 01:00
        ("Africa/Cairo", date(2024, 4, 26), datetime(2024, 4, 25, 22)),
        ("Asia/Beirut", date(2024, 3, 31), datetime(2024, 3, 30, 22)),
        ("America/Toronto", date(1919, 3, 31), datetime(1919, 3, 31, 4, 30)),  # 23:30 became 00:30
        ("Pacific/Apia", date(2011, 12, 31), datetime(2011, 12, 30, 10)),  # 30 December was left out
        ("America/Havana", date(2024, 11, 3), datetime(2024, 11, 3, 4)),  # midnight came twice
    ],
)
def test_where_midnight_is_missing_or_comes_twice_a_day_begins_once(zone: str, day: date, moment: datetime) -> None:
    assert first_moment(day, zone) == moment
    assert local_day(moment, zone) == day
    assert local_day(moment - timedelta(seconds=1), zone) < day


@given(zone=st.sampled_from(ZONES), day=st.dates(date(1970, 1, 2), date(2037, 12, 31)))
@hypothesis_settings(deadline=None)
def test_a_day_begins_when_clocks_first_show_it(zone: str, day: date) -> None:
    begin = first_moment(day, zone)
    noon = datetime.combine(day, time(12))
    shown = [noon + n * QUARTER for n in range(-160, 160) if local_day(noon + n * QUARTER, zone) >= day]
    assert begin <= shown[0] < begin + QUARTER
    assert local_day(begin, zone) >= day


@given(zone=st.sampled_from(ZONES), since=st.datetimes(datetime(1900, 1, 1), datetime(2050, 1, 1)))
@hypothesis_settings(deadline=None, max_examples=50)
def test_offsets_are_those_of_the_zone_on_both_sides_of_each_change(zone: str, since: datetime) -> None:
    until = since + timedelta(days=800)
    offsets = utc_offsets(zone, since, until)
    assert offsets[0][0] == since
    for (begin, offset), (end, _) in zip(offsets, (*offsets[1:], (until, None)), strict=True):
        for moment in (begin, begin + (end - begin) / 2, end - timedelta(seconds=1)):
            assert moment.replace(tzinfo=UTC).astimezone(ZoneInfo(zone)).utcoffset() == offset
    assert utc_offsets("UTC", since, until) == ((since, timedelta()),)


def test_clocks_show_what_the_zone_says() -> None:
    assert local_time(datetime(2024, 3, 31, 0, 59), "Europe/Berlin") == datetime(2024, 3, 31, 1, 59)
    assert local_time(datetime(2024, 3, 31, 1), "Europe/Berlin") == datetime(2024, 3, 31, 3)


@pytest.mark.parametrize("zone", ["Mars/Olympus", "Europe", "../etc/passwd", "/etc/localtime", "+01:00", " "])
def test_what_is_no_zone_is_refused_with_an_example(zone: str) -> None:
    assert not is_zone(zone)
    with pytest.raises(SegmentationError, match=r"SEGMENTATION_TIMEZONE: .*no such time zone; write .*Europe/Berlin"):
        load_settings(timezone=zone)
