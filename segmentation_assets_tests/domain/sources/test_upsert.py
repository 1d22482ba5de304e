"""Landing: whatever is delivered, whenever, twice or late, is in the lake once or among the rejects."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from itertools import count
from threading import Thread
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from segmentation.errors import SourceError
from segmentation.metadata.tables.raw import STREAMED_TABLES
from segmentation.settings import Settings
from segmentation.sources.batch.registration import register
from segmentation.sources.incremental.deliveries import (
    Advance,
    Delivery,
    Malformed,
    Receipt,
    StalePositionsError,
    UsedKeyError,
)
from segmentation.sources.incremental.known_ids import KnownIds, hashes_of
from segmentation.sources.incremental.offsets import MOST_POSITIONS
from segmentation.sources.incremental.upsert import Upserter
from segmentation.sources.profiles.profile import load_profile, parse_profile
from segmentation.warehouse import Commit, Lake
from segmentation.warehouse.maintenance import flush, maintain

pytestmark = pytest.mark.takes(30)

NOW = datetime(2025, 6, 1, 12)
CANONICAL = load_profile("canonical")


FILES_PER_BUCKET = """
SELECT part.partition_value, count(*)
FROM __ducklake_metadata_lake.ducklake_data_file AS file
JOIN __ducklake_metadata_lake.ducklake_file_partition_value AS part USING (data_file_id)
JOIN __ducklake_metadata_lake.ducklake_table AS tables ON tables.table_id = file.table_id
WHERE tables.table_name = 'transactions' AND file.end_snapshot IS NULL
GROUP BY ALL
"""


def line(line_id: str = "1", **others: object) -> dict[str, object]:
    """A line that is accepted."""
    return {
        "line_id": line_id,
        "order_id": "o1",
        "customer_id": "c1",
        "product_id": "p1",
        "quantity": 2,
        "unit_price": 2.5,
        "ordered_at": "2025-05-30T10:00:00Z",
        **others,
    }


def delivery(*records: Any, **others: Any) -> Delivery:
    """Lines of the source `app`."""
    return replace(Delivery("app", CANONICAL, records, "push"), **others)


@pytest.fixture
def streaming(lake: Lake) -> Iterator[Lake]:
    """The lake of one who delivers."""
    with Lake(lake.settings, inline_rows=1000) as opened:
        yield opened


@pytest.fixture
def upserter(streaming: Lake) -> Upserter:
    return Upserter(streaming)


def upsert(upserter: Upserter, *deliveries: Delivery, now: datetime = NOW) -> Receipt:
    """Land deliveries; the receipt of the last one."""
    return upserter.upsert(deliveries, now=now)[-1]


def rows(lake: Lake, query: str) -> list[tuple[Any, ...]]:
    with lake.cursor() as con:
        return con.execute(query).fetchall()


def counts(receipt: Receipt) -> tuple[int, int, int, int]:
    return receipt.lines_new, receipt.lines_replaced, receipt.lines_repeated, receipt.lines_rejected


def test_a_line_is_there_with_all_that_it_says(upserter: Upserter, lake: Lake) -> None:
    told = line(category="Toys", discount=1, country="DE", channel="web", amount=4, customer_id=" 17.0 ")
    assert counts(upsert(upserter, delivery(told))) == (1, 0, 0, 0)
    [(found,)] = rows(lake, "SELECT t FROM raw.transactions t")
    assert found | {"customer_bucket": None} == {
        "line_id": "1",
        "order_id": "o1",
        "customer_id": "17",
        "product_id": "p1",
        "category": "Toys",
        "quantity": 2.0,
        "unit_price": 2.5,
        "amount": 4.0,
        "discount": 1.0,
        "ordered_at": datetime(2025, 5, 30, 10),
        "country": "DE",
        "channel": "web",
        "currency": None,
        "exchange_rate": None,
        "source": "app",
        "ingested_at": NOW,
        "customer_bucket": None,
    }


def test_a_corrected_line_replaces_the_earlier_one_whatever_changed(upserter: Upserter, lake: Lake) -> None:
    upsert(upserter, delivery(line("1"), line("2")))
    receipt = upsert(
        upserter, delivery(line("1", customer_id="c9", ordered_at="2025-04-01")), now=NOW + timedelta(days=1)
    )
    assert counts(receipt) == (0, 1, 0, 0)
    assert (receipt.first_day, receipt.last_day) == (date(2025, 4, 1), date(2025, 5, 30))
    assert rows(lake, "SELECT line_id, customer_id, ingested_at FROM raw.transactions ORDER BY line_id") == [
        ("1", "c9", NOW + timedelta(days=1)),
        ("2", "c1", NOW),
    ]


def test_an_exact_repeat_changes_nothing(upserter: Upserter, lake: Lake) -> None:
    upsert(upserter, delivery(line()))
    before = rows(lake, "SELECT t FROM raw.transactions t")
    receipt = upsert(upserter, delivery(line(quantity="2.00")), now=NOW + timedelta(days=1))
    assert counts(receipt) == (0, 0, 1, 0)
    assert receipt.first_day is None
    assert rows(lake, "SELECT t FROM raw.transactions t") == before


def test_the_last_of_several_in_one_delivery_stays(upserter: Upserter, lake: Lake) -> None:
    receipt = upsert(upserter, delivery(line(quantity=1), line(quantity=3), line(quantity=3), line(quantity=5)))
    assert counts(receipt) == (1, 2, 1, 0)
    assert rows(lake, "SELECT quantity FROM raw.transactions") == [(5.0,)]


def test_what_is_refused_is_among_the_rejects_as_it_came(upserter: Upserter, lake: Lake) -> None:
    receipt = upsert(
        upserter,
        delivery(line("1", quantity=0, note="ü"), {"order_id": "x"}, Malformed("{"), line("2", country="a\0b")),
    )
    assert receipt.rejects == (
        (0, "zero_quantity"),
        (1, "missing_line_id"),
        (2, "malformed_line"),
        (3, "nul_in_text"),
    )
    assert counts(receipt) == (0, 0, 0, 4)
    found = dict(rows(lake, "SELECT reason, original FROM raw.rejected_transactions"))
    assert '"note": "ü"' in found["zero_quantity"]
    assert found["malformed_line"] == '"{"'
    assert rows(lake, "SELECT ordered_on FROM raw.rejected_transactions WHERE reason = 'zero_quantity'") == [
        (date(2025, 5, 30),)
    ]


def test_a_refused_line_that_comes_again_is_not_refused_twice(upserter: Upserter, lake: Lake) -> None:
    for expected in ((0, 0, 0, 2), (0, 0, 2, 0)):
        assert counts(upsert(upserter, delivery(line(quantity=0), Malformed("?")))) == expected
    assert rows(lake, "SELECT count(*) FROM raw.rejected_transactions") == [(2,)]


def test_messages_with_places_of_their_own_are_refused_one_by_one(upserter: Upserter, lake: Lake) -> None:
    bad = delivery(Malformed("?"), Malformed("?"), places=("t/0@1", "t/0@2"))
    assert counts(upsert(upserter, bad)) == (0, 0, 0, 2)
    assert rows(lake, "SELECT source_file FROM raw.rejected_transactions ORDER BY ALL") == [("t/0@1",), ("t/0@2",)]


def test_an_id_of_another_source_is_refused(upserter: Upserter, lake: Lake) -> None:
    upsert(upserter, delivery(line("1")))
    receipt = upsert(upserter, delivery(line("1", quantity=9), line("2"), source="shop"))
    assert receipt.rejects == ((0, "line_id_of_another_source"),)
    both = upsert(upserter, delivery(line("3")), delivery(line("3"), source="shop"))
    assert both.rejects == ((0, "line_id_of_another_source"),)
    assert rows(lake, "SELECT line_id, source, quantity FROM raw.transactions ORDER BY ALL") == [
        ("1", "app", 2.0),
        ("2", "shop", 2.0),
        ("3", "app", 2.0),
    ]


def test_a_delivery_with_a_key_is_taken_once(upserter: Upserter, lake: Lake) -> None:
    keyed = delivery(line("1"), line("2", quantity=0), key="k", content_hash="a")
    first, second = upsert(upserter, keyed), upsert(upserter, keyed)
    assert not first.is_replay
    assert second.is_replay
    assert counts(first) == counts(second) == (1, 0, 0, 1)
    assert rows(lake, "SELECT count(*) FROM raw.deliveries") == [(1,)]
    with pytest.raises(UsedKeyError, match="used before"):
        upsert(upserter, replace(keyed, content_hash="b"))
    assert not upsert(upserter, replace(keyed, source="shop", content_hash="b")).is_replay


def test_who_begins_where_the_source_is_not_any_more_writes_nothing(upserter: Upserter, lake: Lake) -> None:
    upsert(upserter, delivery(line("1"), advance=Advance({}, {"t/0": "5"})))
    assert upserter.positions("app") == {"t/0": "5"}
    for before in ({}, {"t/0": "4"}):
        with pytest.raises(StalePositionsError):
            upsert(upserter, delivery(line("2"), advance=Advance(before, {"t/0": "9"})))
    upsert(upserter, delivery(line("3"), advance=Advance({}, {"t/1": "2"})))
    upsert(upserter, delivery(advance=Advance({"t/0": "5"}, {"t/0": "6"})))
    assert upserter.positions("app") == {"t/0": "6", "t/1": "2"}
    assert rows(lake, "SELECT line_id FROM raw.transactions ORDER BY ALL") == [("1",), ("3",)]


def test_old_positions_are_cleared_away(upserter: Upserter, lake: Lake) -> None:
    with lake.cursor() as con:
        insert = f"INSERT INTO raw.positions SELECT 'app', 't/' || i % 2, i, i, now() FROM range({MOST_POSITIONS}) t(i)"
        lake.transaction(con, Commit("many"), lambda c: c.execute(insert))
    last = str(MOST_POSITIONS - 2)
    upsert(upserter, delivery(advance=Advance({"t/0": last}, {"t/0": "5000"})))
    assert upserter.positions("app") == {"t/0": "5000", "t/1": str(MOST_POSITIONS - 1)}
    assert rows(lake, "SELECT count(*) FROM raw.positions") == [(2,)]


def test_a_profile_without_line_ids_is_refused(upserter: Upserter) -> None:
    without = CANONICAL.model_copy(
        update={"columns": {name: sql for name, sql in CANONICAL.columns.items() if name != "line_id"}}
    )
    with pytest.raises(SourceError, match="gives no line_id"):
        upsert(upserter, delivery(line(), profile=parse_profile(without.to_yaml(), "test")))


def test_a_source_of_files_takes_no_deliveries_and_the_other_way_round(
    upserter: Upserter, lake: Lake, settings: Settings
) -> None:
    file = settings.home / "lines.csv"
    file.write_text("line_id,order_id,customer_id,product_id,quantity,unit_price,ordered_at\n1,1,1,1,1,1,2025-01-01\n")
    register(lake, str(file), CANONICAL, source="files", now=NOW)
    with pytest.raises(SourceError, match="gets its lines from files"):
        upsert(upserter, delivery(line(), source="files"))
    upsert(upserter, delivery(line()))
    with pytest.raises(SourceError, match="delivered otherwise"):
        register(lake, str(file), CANONICAL, source="app", now=NOW)


TEXTS = st.sampled_from(["a", "b", "ü", "1", "", "x" * 300])
NUMBERS = st.one_of(
    st.floats(allow_nan=True), st.integers(-10, 10), st.sampled_from(["", "1,5", "-0", "1e308", "NaN", 0.1, "nope"])
)
RECORDS = st.one_of(
    st.builds(
        line,
        st.sampled_from(["1", "2", "3", "4", ""]),
        quantity=st.sampled_from([1, 2, 0, -1, "x"]),
        customer_id=TEXTS,
        unit_price=NUMBERS,
        ordered_at=st.sampled_from(["2025-05-30", "2025-05-31T23:59:59Z", "never", None]),
    ),
    st.just(Malformed("?")),
)


NUMBERED = count()


@hypothesis_settings(
    max_examples=10,
    deadline=None,
    suppress_health_check=list(HealthCheck),
    derandomize=True,
    phases=[Phase.explicit, Phase.generate],
)
@given(told=st.lists(st.lists(RECORDS, max_size=6), min_size=1, max_size=4))
def test_together_or_one_by_one_lines_come_out_the_same(
    told: list[list[Any]], upserter: Upserter, streaming: Lake
) -> None:
    columns = "SELECT line_id, customer_id, quantity, unit_price, amount, ordered_at, source FROM raw.transactions "
    together, alone = f"A{next(NUMBERED)}", f"B{next(NUMBERED)}"
    for records in told:
        receipt = upsert(upserter, delivery(*_of(together, records), source=together))
        assert receipt.lines_read == len(records) == sum(counts(receipt))
        for record in _of(alone, records):
            upsert(upserter, delivery(record, source=alone))
    found = [rows(streaming, f"{columns} WHERE source = '{source}' ORDER BY line_id") for source in (together, alone)]
    stripped = [
        [(row[0][len(name) :], *row[1:-1]) for row in part] for part, name in zip(found, (together, alone), strict=True)
    ]
    assert stripped[0] == stripped[1]
    ledger = rows(streaming, f"SELECT sum(lines_new) FROM raw.deliveries WHERE source = '{together}'")
    assert ledger == [(len(found[0]),)]


def _of(source: str, records: list[Any]) -> list[Any]:
    """The records, with ids that no other source has."""
    return [
        {**record, "line_id": record["line_id"] and source + record["line_id"]} if isinstance(record, dict) else record
        for record in records
    ]


def test_who_lands_at_the_same_time_doubles_nothing(streaming: Lake) -> None:
    def work(number: int) -> None:
        with Lake(streaming.settings, inline_rows=1000) as own:
            upserter = Upserter(own)
            for round_ in range(4):
                upsert(upserter, delivery(*(line(f"{round_}-{i}", quantity=number + 1) for i in range(20))))

    threads = [Thread(target=work, args=(number,)) for number in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert rows(streaming, "SELECT count(*), count(DISTINCT line_id) FROM raw.transactions") == [(80, 80)]
    assert rows(streaming, "SELECT sum(lines_new), sum(lines_read) FROM raw.deliveries") == [(80, 240)]


def test_lines_in_files_are_replaced_like_lines_in_the_catalogue(upserter: Upserter, streaming: Lake) -> None:
    upsert(upserter, delivery(*(line(str(i)) for i in range(50))))
    assert flush(streaming, STREAMED_TABLES) > 0
    assert counts(upsert(upserter, delivery(line("7", quantity=8), line("8"), line("50")))) == (1, 1, 1, 0)
    maintain(streaming, now=datetime.now(UTC).replace(tzinfo=None), keep_days=1, protected=())
    assert counts(upsert(upserter, delivery(line("7", quantity=9), line("51")))) == (1, 1, 0, 0)
    assert rows(streaming, "SELECT count(*), count(DISTINCT line_id), max(quantity) FROM raw.transactions") == [
        (52, 52, 9.0)
    ]


def test_a_stream_with_corrections_leaves_few_files_and_the_past_as_it_was(
    upserter: Upserter, streaming: Lake, lake: Lake
) -> None:
    versions = {}
    for round_ in range(6):
        fresh = [line(f"{round_}-{i}", customer_id=f"c{i}") for i in range(200)]
        late = [line(f"{before}-{i}", customer_id=f"c{i}", quantity=9) for before in range(round_) for i in (3, 8, 21)]
        upsert(upserter, delivery(*fresh, *late))
        flush(streaming, STREAMED_TABLES)
        versions[streaming.version()] = rows(streaming, "FROM raw.transactions ORDER BY line_id")
    maintain(lake, now=datetime.now(UTC).replace(tzinfo=None), keep_days=1, protected=())
    assert max(count for _, count in rows(streaming, FILES_PER_BUCKET)) <= 3
    for version, expected in versions.items():
        with streaming.at(version) as con:
            assert con.execute("FROM raw.transactions ORDER BY line_id").fetchall() == expected
    assert rows(streaming, "FROM raw.transactions ORDER BY line_id") == list(versions.values())[-1]
    assert counts(upsert(upserter, delivery(line("1-3", customer_id="c3", quantity=9), line("new")))) == (1, 0, 1, 0)


def test_the_filter_of_ids_never_misses_one_that_others_wrote(upserter: Upserter, streaming: Lake) -> None:
    known = KnownIds()
    with streaming.cursor() as con:
        for round_ in range(3):
            upsert(upserter, delivery(*(line(f"{round_}-{i}") for i in range(30))))
            known.catch_up(con, streaming.version())
            assert known.may_have(hashes_of(con, "SELECT hash(line_id) AS id FROM raw.transactions")).all()
        assert not known.may_have(hashes_of(con, "SELECT hash('other-' || i) AS id FROM range(50) t(i)")).any()
