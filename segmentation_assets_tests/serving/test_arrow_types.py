"""Arrow columns of every type with values that nobody sends: each line is taken or refused, and nothing fails."""

import shutil
from collections.abc import Iterator, Mapping
from itertools import count
from typing import Any

import httpx
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from litestar import Litestar
from litestar.testing import TestClient

from segmentation.metadata.features import BY_NAME
from segmentation.settings import Settings
from segmentation_assets_tests.testing import shop
from segmentation_assets_tests.testing.arrow_columns import columns, every_column, fixed, stream
from segmentation_assets_tests.testing.shop import problem
from segmentation_assets_tests.testing.waiting import eventually
from serving.app import create_app
from serving.services import arrow

pytestmark = pytest.mark.takes(60)

Client = TestClient[Litestar]
COLUMNS = every_column()
NAMES = ("line_id", "order_id", "customer_id", "product_id", "quantity", "unit_price", "ordered_at")
OPTIONAL = ("category", "amount", "discount", "country", "channel", "unused", "Also Unused")
FUZZ = hypothesis_settings(max_examples=80, deadline=None, derandomize=True, database=None)
ARROW_BYTES = 4_000_000
IDS = count()


@pytest.fixture(scope="module")
def scorer(shop_settings: Settings, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Client]:
    """A scorer that takes lines."""
    folder = tmp_path_factory.mktemp("arrow types")
    shutil.copytree(shop_settings.home, folder / "warehouse")
    (folder / "sources.yaml").write_text("sources:\n  web: {type: push}\n")
    changes = {"home": folder / "warehouse", "sources": folder / "sources.yaml", "max_arrow_bytes": ARROW_BYTES}
    with TestClient(create_app(shop_settings.model_copy(update=changes))) as opened:
        opened.headers.update(shop.CREDENTIALS)
        eventually(lambda: opened.get("/health/ready").status_code == 200)
        yield opened


def good(rows: int) -> dict[str, pa.Array]:
    """Columns of lines that are taken, and that nobody has sent before."""
    ids = [next(IDS) for _ in range(rows)]
    texts = {name: pa.array([f"{name}-{each}" for each in ids]) for name in NAMES[:4]}
    numbers = {name: pa.array([2.0] * rows) for name in ("quantity", "unit_price")}
    return texts | numbers | {"ordered_at": pa.array(["2024-06-20T08:00:00Z"] * rows)}


def push(client: Client, sent: Mapping[str, pa.Array]) -> httpx.Response:
    headers = {"content-type": arrow.MEDIA_TYPE}
    return client.post("/v1/transactions?source=web", content=stream(sent), headers=headers)


def accounted_for(answer: httpx.Response, rows: int) -> dict[str, Any] | None:
    """What became of the lines, each of which must be accounted for; None if they were refused as a whole."""
    if answer.status_code != 200:
        assert answer.status_code in {400, 413}, answer.text
        assert problem(answer)["detail"]
        return None
    told: dict[str, Any] = answer.json()
    taken = told["lines_new"] + told["lines_replaced"] + told["lines_repeated"]
    assert taken + told["lines_rejected"] == told["lines_read"] == rows
    return told


@pytest.mark.parametrize("name", COLUMNS)
@pytest.mark.parametrize("place", ["ordered_at", "discount"])
def test_a_used_column_of_any_type_is_taken_or_refused_line_by_line(scorer: Client, name: str, place: str) -> None:
    rows = len(COLUMNS[name])
    accounted_for(push(scorer, good(rows) | {place: COLUMNS[name]}), rows)


def test_unused_columns_of_all_types_change_nothing(scorer: Client) -> None:
    rows = len(COLUMNS["int64"])
    told = accounted_for(push(scorer, good(rows) | {f"unused {name}": each for name, each in COLUMNS.items()}), rows)
    assert told is not None
    assert told["lines_rejected"] == 0


@pytest.mark.parametrize(
    "kind",
    [pa.date32(), pa.timestamp("s"), pa.timestamp("s", "Mars/Base"), pa.timestamp("s", "UTC"), pa.date64()],
    ids=str,
)
def test_a_date_that_does_not_exist_is_an_unparsable_one(scorer: Client, kind: pa.DataType) -> None:
    number = {pa.date32(): 2**30, pa.date64(): 86_400_000 * 2**30}.get(kind, 2**40)
    told = accounted_for(push(scorer, good(2) | {"ordered_at": fixed(kind, [number, number])}), 2)
    assert told is not None
    assert told["rejected_by_reason"] == {"unparsable_date": 2}


def test_a_value_that_cannot_be_had_is_no_empty_one(scorer: Client) -> None:
    discounts = pa.array([1.0, 2.0]).cast(pa.int64()).cast(pa.duration("s"))
    assert accounted_for(push(scorer, good(2) | {"country": discounts}), 2)
    lost = fixed(pa.duration("s"), [2**62, None])
    told = accounted_for(push(scorer, good(2) | {"country": lost}), 2)
    assert told is not None
    assert told["rejects"] == [{"index": 0, "reason": "malformed_line"}]


@pytest.mark.parametrize(
    ("kind", "number", "moment"),
    [
        (pa.date32(), 19_894, "2024-06-20"),
        (pa.timestamp("ns", "Europe/Berlin"), 1_718_870_400_000_000_001, "2024-06-20T08:00:00Z"),
        (pa.timestamp("s"), 1_718_870_400, "2024-06-20T08:00:00Z"),
    ],
    ids=str,
)
def test_dates_and_times_mean_what_they_mean_as_text(
    scorer: Client, kind: pa.DataType, number: int, moment: str
) -> None:
    as_text = good(1) | {"line_id": pa.array([str(kind)]), "ordered_at": pa.array([moment])}
    typed = as_text | {"ordered_at": fixed(kind, [number])}
    first, second = (accounted_for(push(scorer, each), 1) for each in (as_text, typed))
    assert first is not None
    assert second is not None
    assert (first["lines_new"], second["lines_repeated"]) == (1, 1)


@pytest.mark.parametrize("name", ["list of string", "struct of string", "union of date32[day]", "map"])
def test_what_no_line_can_have_is_refused_by_name(scorer: Client, name: str) -> None:
    answer = push(scorer, good(len(COLUMNS[name])) | {"quantity": COLUMNS[name]})
    assert answer.status_code == 400
    assert "'quantity' is of type" in problem(answer)["detail"]


def test_a_used_column_that_comes_twice_is_refused(scorer: Client) -> None:
    batch = pa.RecordBatch.from_arrays([pa.array(["a"]), pa.array(["b"])], names=["line_id", "line_id"])
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, batch.schema) as writer:
        writer.write_batch(batch)
    headers = {"content-type": arrow.MEDIA_TYPE}
    answer = scorer.post("/v1/transactions?source=web", content=sink.getvalue().to_pybytes(), headers=headers)
    assert answer.status_code == 400
    assert "twice" in problem(answer)["detail"]


@pytest.mark.parametrize("how", ["dictionary", "run ends", "views"])
def test_a_long_text_that_is_stored_once_and_used_often_is_refused(scorer: Client, how: str) -> None:
    rows, text = 10_000, "a" * 100_000
    if how == "dictionary":
        column = pa.DictionaryArray.from_arrays(pa.array([0] * rows, pa.int32()), pa.array([text]))
    elif how == "run ends":
        column = pa.RunEndEncodedArray.from_arrays(pa.array([rows], pa.int32()), pa.array([text]))
    else:
        view = pa.array([text], pa.string_view()).buffers()
        same = pa.py_buffer(view[1].to_pybytes()[:16] * rows)
        column = pa.Array.from_buffers(pa.string_view(), rows, [None, same, *view[2:]])
    answer = push(scorer, good(rows) | {"category": column})
    assert answer.status_code == 413, answer.text
    assert problem(answer)["type"] == "urn:problem-type:body-too-large"


@FUZZ
@given(data=st.data())
def test_lines_of_any_types_are_accounted_for(scorer: Client, data: st.DataObject) -> None:
    rows = data.draw(st.integers(1, 4))
    places = data.draw(st.lists(st.sampled_from((*NAMES, *OPTIONAL)), min_size=1, max_size=4, unique=True))
    sent = good(rows) | {place: data.draw(columns(rows)) for place in places}
    accounted_for(push(scorer, sent), rows)


@FUZZ
@given(data=st.data())
def test_customers_of_any_types_are_scored_or_refused(scorer: Client, data: st.DataObject) -> None:
    rows = data.draw(st.integers(1, 4))
    places = data.draw(st.lists(st.sampled_from(("customer_id", *BY_NAME)), min_size=1, max_size=4, unique=True))
    sent = {name: pa.array([1.0] * rows) for name in BY_NAME if BY_NAME[name].type != "VARCHAR"}
    sent |= {place: data.draw(columns(rows)) for place in places}
    answer = scorer.post("/v1/score", content=stream(sent), headers={"content-type": arrow.MEDIA_TYPE})
    if answer.status_code == 200:
        assert pa.ipc.open_stream(answer.content).read_all().num_rows == rows
    else:
        assert answer.status_code == 400, answer.text
        problem(answer)


@pytest.mark.parametrize("name", COLUMNS)
@pytest.mark.parametrize("place", ["recency_days", "customer_id"])
def test_a_feature_of_any_type_is_scored_or_refused(scorer: Client, name: str, place: str) -> None:
    rows = len(COLUMNS[name])
    sent = {each: pa.array([1.0] * rows) for each in BY_NAME if BY_NAME[each].type != "VARCHAR"}
    headers = {"content-type": arrow.MEDIA_TYPE}
    answer = scorer.post("/v1/score", content=stream(sent | {place: COLUMNS[name]}), headers=headers)
    assert answer.status_code in {200, 400}, answer.text
    if answer.status_code == 400:
        problem(answer)
