"""Bodies that nobody would send, and good ones with a few bytes changed: each is scored, or refused as a problem."""

import json
import math
import shutil
from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Any

import httpx
import msgspec
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from litestar import Litestar
from litestar.testing import TestClient

from segmentation.metadata.features import BY_NAME, FEATURES
from segmentation.modeling.registry import ModelVersion
from segmentation.settings import Settings
from segmentation.warehouse import Lake
from segmentation_assets_tests.testing import shop
from segmentation_assets_tests.testing.lines import Line, insert_lines
from segmentation_assets_tests.testing.shop import ScoredCustomer, problem, request
from segmentation_assets_tests.testing.waiting import eventually
from serving.api import bodies
from serving.app import create_app
from serving.services import arrow
from serving.services.arrow import MAX_BATCHES
from serving.services.scoring import SMALL_BYTES

Client = TestClient[Litestar]

JSON, MSGPACK, ARROW = bodies.JSON.media_type, bodies.MSGPACK.media_type, arrow.MEDIA_TYPE
KINDS = [JSON, MSGPACK, *bodies.MSGPACK.aliases, ARROW]

MAX_ARROW_ROWS = arrow.PART_ROWS + 1
HUGE = 2**40
"""Rows that fit into no memory."""

BUYER = "C-20"
LINE = {
    "customer_id": BUYER,
    "order_id": "o-2",
    "product_id": "p-1",
    "ordered_at": "2024-06-20T08:00:00Z",
    "quantity": 1,
    "amount": 9.5,
}
ITEM = {"product_id": "p-1", "quantity": 1, "amount": 9.5}
LINES = {"transactions": [LINE, {**LINE, "customer_id": "C-21", "category": "Toys"}], "as_of": "2024-07-01"}
WHAT_IF = {"orders": [{"items": [ITEM], "ordered_at": "2024-06-20T08:00:00Z"}, {"items": [ITEM]}]}
ASKED = {"/v1/score/transactions": LINES, f"/v1/customers/{BUYER}/what-if": WHAT_IF}
"""A good JSON body by path."""

OUTSIDE_OF_THE_CALENDAR = ["9999-12-31T23:59:59-10:00", "0001-01-01T00:00:00+10:00"]

ARROW_TYPES = {"DOUBLE": pa.float64(), "BIGINT": pa.int64(), "BOOLEAN": pa.bool_(), "VARCHAR": pa.string()}
MEANINGS = ("customer_id", "segment_id", "segment_name", "distance", "runner_up_id", "runner_up_name", "confidence")

FUZZ = hypothesis_settings(max_examples=150, deadline=None, derandomize=True, database=None)

EDITS = st.lists(
    st.tuples(
        st.sampled_from(["flip", "insert", "delete", "truncate"]),
        st.integers(0, 2**32 - 1),
        st.binary(min_size=1, max_size=8),
    ),
    min_size=1,
    max_size=4,
)
"""What is done to a body: how, where (modulo its length), and with which bytes."""


@pytest.fixture(scope="module")
def scorer(shop_settings: Settings, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Client]:
    """A scorer whose lake has lines of one customer, and that takes few rows as Arrow."""
    home = tmp_path_factory.mktemp("fuzz") / "warehouse"
    shutil.copytree(shop_settings.home, home)
    settings = shop_settings.model_copy(update={"home": home, "max_arrow_rows": MAX_ARROW_ROWS})
    with Lake(settings) as lake:
        insert_lines(lake, [Line(BUYER, f"o-{day}", "p-1", datetime(2024, 6, day)) for day in (1, 9)])
    with TestClient(create_app(settings)) as opened:
        opened.headers.update(shop.CREDENTIALS)
        eventually(lambda: opened.get("/health/ready").status_code == 200)
        yield opened


@pytest.fixture(scope="module")
def good(customers: list[ScoredCustomer]) -> dict[str, list[bytes]]:
    """A small and a large body by media type, all good."""
    some = {
        JSON: [_json(customers[:3]), _json(customers)],
        MSGPACK: [_msgpack(customers[:3]), _msgpack(customers)],
        ARROW: [_arrow(customers[:3]), _arrow(customers, batches=4)],
    }
    assert all(len(small) < SMALL_BYTES < len(large) for small, large in some.values())
    return some | dict.fromkeys(bodies.MSGPACK.aliases, some[MSGPACK])


@pytest.mark.parametrize("kind", KINDS)
@FUZZ
@given(body=st.binary())
def test_bytes_of_any_kind_are_refused(scorer: Client, kind: str, body: bytes) -> None:
    problem(_score(scorer, body, kind, 400))


@pytest.mark.parametrize("size", ["small", "large"])
@pytest.mark.parametrize("kind", [JSON, MSGPACK, ARROW])
@FUZZ
@given(edits=EDITS)
def test_a_damaged_body_scores_or_is_refused(
    scorer: Client, good: dict[str, list[bytes]], kind: str, size: str, edits: list[tuple[str, int, bytes]]
) -> None:
    body = _edited(good[kind][size == "large"], edits)
    _scores_or_tells(scorer.post("/v1/score", content=body, headers={"content-type": kind}))


@FUZZ
@given(
    at=st.integers(0, 2**32 - 1),
    number=st.sampled_from([0, 1, -1, 2**31 - 1, 2**31, -(2**31), 2**32 - 1, HUGE, 2**63 - 1, -(2**63)]),
    width=st.sampled_from([4, 8]),
)
def test_no_number_within_an_arrow_stream_makes_the_scorer_fail(
    scorer: Client, good: dict[str, list[bytes]], at: int, number: int, width: int
) -> None:
    body = bytearray(good[ARROW][0])
    start = at % (len(body) // 4) * 4
    body[start : start + width] = (number % 2 ** (8 * width)).to_bytes(width, "little")
    _scores_or_tells(scorer.post("/v1/score", content=bytes(body), headers={"content-type": ARROW}))


@pytest.mark.parametrize("path", ASKED)
@FUZZ
@given(body=st.binary())
def test_bytes_of_any_kind_are_no_lines_and_no_orders(scorer: Client, path: str, body: bytes) -> None:
    response = scorer.post(path, content=body, headers={"content-type": JSON})
    assert response.status_code == 400
    problem(response)


@pytest.mark.parametrize("path", ASKED)
@FUZZ
@given(edits=EDITS)
def test_damaged_lines_and_orders_are_answered_or_refused(
    scorer: Client, path: str, edits: list[tuple[str, int, bytes]]
) -> None:
    body = _edited(json.dumps(ASKED[path]).encode(), edits)
    _scores_or_tells(scorer.post(path, content=body, headers={"content-type": JSON}))


def _moments() -> st.SearchStrategy[str]:
    zones = st.sampled_from(["", "Z", "+00:00", "+14:00", "-12:00"])
    return st.builds(lambda moment, zone: f"{moment.isoformat()}{zone}", st.datetimes(), zones)


def _near(example: dict[str, Any]) -> st.SearchStrategy[dict[str, Any]]:
    """Like an example, with values that fit, or nearly."""
    texts = st.text(max_size=5) | st.sampled_from(["\0", "'", "\ud800", "🙂"])
    numbers = st.floats(allow_nan=False) | st.integers(-3, 3) | st.sampled_from([1e11, -1e11, 1e-300, 10**400])
    kinds: dict[str, st.SearchStrategy[Any]] = {
        "ordered_at": _moments() | texts,
        "as_of": st.dates().map(str) | st.none() | texts,
        "quantity": numbers,
        "amount": numbers,
        "discount": numbers,
    }
    fields = {name: kinds.get(name, texts) | st.just(value) for name, value in example.items()}
    others = {name: kinds.get(name, texts) for name in ("discount", "category", "country", "channel")}
    return st.fixed_dictionaries(fields, optional={name: each for name, each in others.items() if name not in example})


@FUZZ
@given(
    lines=st.lists(_near(LINE), min_size=1, max_size=3), as_of=st.none() | st.dates().map(str) | st.just("2024-07-01")
)
def test_lines_of_any_time_and_size_are_answered_or_refused(
    scorer: Client, lines: list[dict[str, Any]], as_of: str | None
) -> None:
    body = json.dumps({"transactions": lines, "as_of": as_of})
    _scores_or_tells(scorer.post("/v1/score/transactions", content=body, headers={"content-type": JSON}))


@FUZZ
@given(
    items=st.lists(_near(ITEM), min_size=1, max_size=3),
    ordered_at=st.none() | _moments(),
    as_of=st.none() | st.dates().map(str) | st.just("2024-07-01"),
)
def test_orders_of_any_time_and_size_are_answered_or_refused(
    scorer: Client, items: list[dict[str, Any]], ordered_at: str | None, as_of: str | None
) -> None:
    body = json.dumps({"orders": [{"items": items, "ordered_at": ordered_at}], "as_of": as_of})
    path = f"/v1/customers/{BUYER}/what-if"
    _scores_or_tells(scorer.post(path, content=body, headers={"content-type": JSON}))


def test_orders_without_a_date_are_played(scorer: Client) -> None:
    answer = scorer.post(f"/v1/customers/{BUYER}/what-if", json={"orders": [{"items": [ITEM]}]})
    assert answer.status_code == 200
    assert answer.json()["with_orders"]["features"]["recency_days"] < 2


@pytest.mark.parametrize("moment", OUTSIDE_OF_THE_CALENDAR)
def test_a_time_outside_of_the_calendar_is_refused(scorer: Client, moment: str) -> None:
    lines = scorer.post("/v1/score/transactions", json={"transactions": [{**LINE, "ordered_at": moment}]})
    orders = scorer.post(f"/v1/customers/{BUYER}/what-if", json={"orders": [{"items": [ITEM], "ordered_at": moment}]})
    for response in (lines, orders):
        assert response.status_code == 400
    assert "ordered_at" in problem(lines)["detail"]
    assert moment[:10] in problem(orders)["detail"]


def test_an_order_on_the_last_day_of_the_calendar_is_refused(scorer: Client) -> None:
    order = {"items": [ITEM], "ordered_at": "9999-12-31T12:00:00Z"}
    response = scorer.post(f"/v1/customers/{BUYER}/what-if", json={"orders": [order]})
    assert response.status_code == 400
    assert "9999-12-31" in problem(response)["detail"]


@pytest.mark.parametrize("decision", ["promote", "rollback"])
def test_a_reason_with_a_nul_is_refused(scorer: Client, decision: str) -> None:
    response = scorer.post(f"/v1/models/2/{decision}", json={"reason": "because\0"})
    assert response.status_code == 400
    assert "NUL" in problem(response)["detail"]


@pytest.mark.parametrize("version", ["%00", "cand%00idate", "'", "9" * 5000, "²", "-1", "1e3", "%FF"])
def test_a_model_that_nobody_made_is_not_found(scorer: Client, version: str) -> None:
    response = scorer.get(f"/v1/models/{version}")
    assert response.status_code == 404
    problem(response)


@pytest.mark.parametrize("count", [1, 2])
@pytest.mark.parametrize("kind", [MSGPACK, ARROW])
def test_a_nan_where_a_number_is_needed_is_refused_by_name(
    scorer: Client, customers: list[ScoredCustomer], kind: str, count: int
) -> None:
    some = [*customers[1:count], _changed(customers[0], recency_days=math.nan)]
    response = _score(scorer, _arrow(some) if kind == ARROW else _msgpack(some), kind, 400)
    assert problem(response)["type"] == "urn:problem-type:missing-feature"
    assert "lacks recency_days, which" in problem(response)["detail"]


@pytest.mark.parametrize("kind", [MSGPACK, ARROW])
def test_a_nan_with_a_rule_is_filled_as_if_it_were_missing(
    scorer: Client, customers: list[ScoredCustomer], kind: str
) -> None:
    encode = _arrow if kind == ARROW else _msgpack
    nan, null = (_changed(customers[1], return_rate=value) for value in (math.nan, None))
    first, second = _results(_score(scorer, encode([nan, null]), kind))
    assert first == second


@pytest.mark.parametrize("kind", [MSGPACK, ARROW])
@pytest.mark.parametrize("value", [math.inf, -math.inf])
def test_an_infinite_number_counts_as_the_end_of_its_range(
    scorer: Client, customers: list[ScoredCustomer], models: dict[int, ModelVersion], kind: str, value: float
) -> None:
    encode = _arrow if kind == ARROW else _msgpack
    for rule in models[1].artefact.rules:
        if BY_NAME[rule.name].type == "DOUBLE":
            bound = rule.upper if value > 0 else rule.lower
            both = [_changed(customers[0], **{rule.name: number}) for number in (value, bound)]
            infinite, bounded = _results(_score(scorer, encode(both), kind))
            assert infinite == bounded


@pytest.mark.parametrize("batches", [1, 3, 299])
def test_arrow_messagepack_and_json_give_the_same_scores_to_the_last_bit(
    scorer: Client, customers: list[ScoredCustomer], batches: int
) -> None:
    assert any(None in customer.features.values() for customer in customers)
    by_json = _results(_score(scorer, _json(customers), JSON))
    small = [_results(_score(scorer, _json(customers[at : at + 20]), JSON)) for at in range(0, 299, 20)]

    assert by_json == [result for part in small for result in part]
    assert _results(_score(scorer, _msgpack(customers), MSGPACK)) == by_json
    assert _results(_score(scorer, _arrow(customers, batches), ARROW)) == by_json


@pytest.mark.parametrize("given", [JSON, MSGPACK])
@pytest.mark.parametrize("wanted", [JSON, MSGPACK])
@pytest.mark.parametrize("count", [3, 299])
def test_rows_may_be_asked_for_in_the_other_language(
    scorer: Client, customers: list[ScoredCustomer], given: str, wanted: str, count: int
) -> None:
    encode = {JSON: _json, MSGPACK: _msgpack}
    expected = _results(_score(scorer, _json(customers[:count]), JSON))
    headers = {"content-type": given, "accept": wanted}
    answer = scorer.post("/v1/score", content=encode[given](customers[:count]), headers=headers)
    assert answer.headers["content-type"] == wanted
    assert _results(answer) == expected


@pytest.mark.parametrize("codec", ["lz4", "zstd"])
@pytest.mark.parametrize("encoded", ["plain", "as a dictionary"])
def test_a_compressed_stream_is_refused(
    scorer: Client, customers: list[ScoredCustomer], codec: str, encoded: str
) -> None:
    ids = pa.array([f"a rather long id {number}" for number in range(100)])
    batch = _batch(customers[:100], customer_id=ids if encoded == "plain" else ids.dictionary_encode())
    told = problem(_score(scorer, _stream([batch], compression=codec), ARROW, 400))
    assert "compressed" in told["detail"]


@pytest.mark.parametrize(
    "ids",
    [
        pa.array(["a", None, "日本"]),
        pa.array(["a", None, "日本"], pa.large_string()),
        pa.array(["a", None, "日本"], pa.string_view()),
        pa.array(["a", None, "日本"]).dictionary_encode(),
        pa.nulls(3),
    ],
    ids=lambda ids: str(ids.type),
)
def test_ids_come_back_as_they_were_written(scorer: Client, customers: list[ScoredCustomer], ids: pa.Array) -> None:
    answer = _table(_score(scorer, _stream([_batch(customers[:3], customer_id=ids)]), ARROW))
    assert answer["customer_id"].type == ids.type
    assert answer["customer_id"].to_pylist() == ids.to_pylist()


def test_a_dictionary_of_ids_may_change_within_a_stream(scorer: Client, customers: list[ScoredCustomer]) -> None:
    ids = [["a", "b", "a"], ["c", "b", "c"], ["c", "b", "a"]]
    stream = _stream([_batch(customers[:3], customer_id=pa.array(each).dictionary_encode()) for each in ids])
    assert _table(_score(scorer, stream, ARROW))["customer_id"].to_pylist() == [each for batch in ids for each in batch]


@pytest.mark.parametrize("kind", [pa.float32(), pa.float64(), pa.int8(), pa.uint64()], ids=str)
def test_numbers_of_every_width_are_taken(scorer: Client, customers: list[ScoredCustomer], kind: pa.DataType) -> None:
    [result] = _results(_score(scorer, _stream([_batch(customers[:1], recency_days=pa.array([7], kind))]), ARROW))
    [expected] = _results(_score(scorer, _json([_changed(customers[0], recency_days=7)]), JSON))
    assert result == expected


@pytest.mark.parametrize(
    ("changed", "kind", "words"),
    [
        ({"recency_days": pa.array(["7"])}, "invalid-request", ["recency_days", "string", "number"]),
        ({"recency_days": pa.array([{"a": 7}])}, "invalid-request", ["recency_days", "struct", "number"]),
        ({"recency_days": pa.array([[7]])}, "invalid-request", ["recency_days", "list", "number"]),
        ({"recency_days": pa.array([datetime(2024, 1, 1)])}, "invalid-request", ["recency_days", "timestamp"]),
        ({"recency_days": pa.array([7]).dictionary_encode()}, "invalid-request", ["recency_days", "dictionary"]),
        ({"customer_id": pa.array([7])}, "invalid-request", ["customer_id", "int64", "text"]),
        ({"customer_id": pa.array([b"7"])}, "invalid-request", ["customer_id", "binary", "text"]),
        ({"top_category": pa.array([7])}, "invalid-request", ["top_category", "int64", "text"]),
        ({"recency_days": pa.nulls(1)}, "missing-feature", ["Row 0", "recency_days"]),
        ({"recency_day": pa.array([7])}, "unknown-feature", ["recency_day", "recency_days?"]),
        ({"x" * 100_000: pa.array([7])}, "unknown-feature", ["xxx…"]),
    ],
    ids=lambda value: str(next(iter(value)))[:20] if isinstance(value, dict) else "",
)
def test_a_column_that_does_not_fit_is_refused_by_name(
    scorer: Client, customers: list[ScoredCustomer], changed: dict[str, pa.Array], kind: str, words: list[str]
) -> None:
    told = problem(_score(scorer, _stream([_batch(customers[:1], **changed)]), ARROW, 400))
    assert told["type"] == f"urn:problem-type:{kind}"
    assert len(told["detail"]) < 500
    for word in words:
        assert word in told["detail"]


def test_a_column_that_occurs_twice_is_refused(scorer: Client) -> None:
    twice = pa.RecordBatch.from_arrays([pa.array([1.0]), pa.array([2.0])], names=["recency_days", "recency_days"])
    assert "twice" in problem(_score(scorer, _stream([twice]), ARROW, 400))["detail"]


def test_text_that_is_none_is_refused(scorer: Client, customers: list[ScoredCustomer]) -> None:
    offsets = pa.py_buffer((0).to_bytes(4, "little") + (1).to_bytes(4, "little"))
    ids = pa.Array.from_buffers(pa.string(), 1, [None, offsets, pa.py_buffer(b"\xff")])
    told = problem(_score(scorer, _stream([_batch(customers[:1], customer_id=ids)]), ARROW, 400))
    assert told["type"] == "urn:problem-type:malformed-body"


@pytest.mark.parametrize("counts", [[], [0], [0, 0]])
def test_a_stream_of_nobody_is_refused(scorer: Client, customers: list[ScoredCustomer], counts: list[int]) -> None:
    schema = _batch(customers[:1]).schema
    body = _stream([_batch(customers[:count]).cast(schema) for count in counts], schema)
    assert "no customers" in problem(_score(scorer, body, ARROW, 400))["detail"]


def test_empty_batches_between_others_are_passed_over(scorer: Client, customers: list[ScoredCustomer]) -> None:
    some, none = _batch(customers[:3]), _batch(customers[:3]).slice(0, 0)
    answer = _results(_score(scorer, _stream([none, some, none, none, some]), ARROW))
    assert answer == 2 * _results(_score(scorer, _arrow(customers[:3]), ARROW))


def test_a_stream_may_have_as_many_rows_as_the_settings_allow(scorer: Client, customers: list[ScoredCustomer]) -> None:
    batch = _batch(customers)
    full = pa.Table.from_batches([batch] * (MAX_ARROW_ROWS // 299 + 1)).slice(0, MAX_ARROW_ROWS).combine_chunks()
    [rows] = full.to_batches()

    answer = _table(_score(scorer, _stream([rows]), ARROW))
    refused = problem(_score(scorer, _stream([rows, batch.slice(0, 1)]), ARROW, 413))

    expected = _table(_score(scorer, _stream([batch]), ARROW))
    assert answer.num_rows == MAX_ARROW_ROWS
    assert (
        answer.slice(MAX_ARROW_ROWS - 299).sort_by("customer_id")["distance"]
        == expected.sort_by("customer_id")["distance"]
    )
    assert str(MAX_ARROW_ROWS) in refused["detail"]
    assert "SEGMENTATION_MAX_ARROW_ROWS" in refused["detail"]


def test_an_answer_is_not_much_larger_than_its_ids(scorer: Client, customers: list[ScoredCustomer]) -> None:
    rows = MAX_ARROW_ROWS
    ids = pa.array([f"{number:0100}" for number in range(rows)], pa.string_view())
    needed = pa.Table.from_batches([_batch(customers[:1])] * rows).combine_chunks().to_batches()[0]
    batch = pa.RecordBatch.from_pydict(
        {**dict(zip(needed.schema.names, needed.columns, strict=True)), "customer_id": ids}
    )

    answer = _score(scorer, _stream([batch]), ARROW)

    assert len(answer.content) < 1.2 * (ids.nbytes + 60 * rows)


def test_a_stream_in_crumbs_is_refused(scorer: Client, customers: list[ScoredCustomer]) -> None:
    crumbs = [_batch(customers[:1]).slice(0, 0)] * (MAX_BATCHES + 1)
    assert "record batches" in problem(_score(scorer, _stream(crumbs), ARROW, 400))["detail"]


@pytest.mark.parametrize("column", ["recency_days", "customer_id"])
def test_a_column_that_claims_to_be_huge_is_refused_unread(scorer: Client, column: str) -> None:
    claimed = pa.RecordBatch.from_arrays([_nothing(HUGE)], names=[column])
    body = _stream([claimed])
    assert len(body) < 1000
    assert problem(_score(scorer, body, ARROW, 413))["type"] == "urn:problem-type:too-many-rows"


def test_a_dictionary_that_claims_to_be_huge_is_refused(scorer: Client, customers: list[ScoredCustomer]) -> None:
    ids = pa.DictionaryArray.from_arrays(pa.array([0]), _nothing(HUGE))
    problem(_score(scorer, _stream([_batch(customers[:1], customer_id=ids)]), ARROW, 400))


def _score(client: Client, body: bytes, kind: str, status: int = 200) -> httpx.Response:
    response = client.post("/v1/score", content=body, headers={"content-type": kind})
    assert response.status_code == status, response.text[:1000]
    return response


def _scores_or_tells(response: httpx.Response) -> None:
    if response.status_code == 200:
        assert response.content
        return
    assert 400 <= response.status_code < 500, response.text
    problem(response)


def _results(response: httpx.Response) -> list[dict[str, Any]]:
    """The scores of an answer in any language, by what means the same in all."""
    assert response.status_code == 200
    match response.headers["content-type"]:
        case "application/json":
            rows = response.json()["results"]
        case "application/msgpack":
            rows = msgspec.msgpack.decode(response.content)["results"]
        case _:
            rows = _table(response).to_pylist()
    return [{name: row[name] for name in (*MEANINGS, "is_low_confidence")} for row in rows]


def _table(response: httpx.Response) -> pa.Table:
    with pa.ipc.open_stream(response.content) as reader:
        return reader.read_all()


def _json(customers: Sequence[ScoredCustomer]) -> bytes:
    return json.dumps(request(list(customers))).encode()


def _msgpack(customers: Sequence[ScoredCustomer]) -> bytes:
    return msgspec.msgpack.encode(request(list(customers)))


def _arrow(customers: Sequence[ScoredCustomer], batches: int = 1) -> bytes:
    size = -(-len(customers) // batches)
    return _stream([_batch(customers[at : at + size]) for at in range(0, len(customers), size)])


def _batch(customers: Sequence[ScoredCustomer], **changed: pa.Array) -> pa.RecordBatch:
    columns = {"customer_id": pa.array([customer.customer_id for customer in customers], pa.string())} | {
        feature.name: pa.array([each.features[feature.name] for each in customers], _arrow_type(feature.name))
        for feature in FEATURES
    }
    return pa.RecordBatch.from_pydict(columns | changed)


def _arrow_type(feature: str) -> pa.DataType:
    return ARROW_TYPES[BY_NAME[feature].type]


def _stream(batches: Sequence[pa.RecordBatch], schema: pa.Schema = None, compression: str | None = None) -> bytes:
    sink = pa.BufferOutputStream()
    options = pa.ipc.IpcWriteOptions(compression=compression, allow_64bit=True)
    with pa.ipc.new_stream(sink, schema or batches[0].schema, options=options) as writer:
        for batch in batches:
            writer.write_batch(batch)
    return bytes(sink.getvalue())


def _nothing(rows: int) -> pa.Array:
    """Nulls without a byte of memory."""
    return pa.Array.from_buffers(pa.null(), rows, [None])


def _changed(customer: ScoredCustomer, **features: Any) -> ScoredCustomer:
    return ScoredCustomer(customer.customer_id, {**customer.features, **features}, customer.segment)


def _edited(body: bytes, edits: Sequence[tuple[str, int, bytes]]) -> bytes:
    for how, where, new in edits:
        at = where % (len(body) + 1)
        end = {"flip": at + len(new), "insert": at, "delete": at + len(new), "truncate": len(body)}[how]
        put = new if how in {"flip", "insert"} else b""
        body = body[:at] + put + body[end:]
    return body
