"""The client of a real scorer: every method, with and without `await`."""

import json
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import asdict
from datetime import UTC, date, datetime
from inspect import signature
from types import MappingProxyType
from typing import Any, get_args

import msgspec
import numpy as np
import polars as pl
import pytest

from segmentation.modeling.registry import ModelVersion
from segmentation.settings import Settings
from segmentation.warehouse import Lake
from segmentation_assets_tests.serving.asking import KINDS, Ask, asking
from segmentation_assets_tests.testing.lines import Line, insert_lines
from segmentation_assets_tests.testing.running_scorer import ROOT, RunningScorer, environment_of, running_scorer
from segmentation_assets_tests.testing.shop import (
    ESCAPED_ID,
    GONE,
    JULY,
    JUNE,
    KEY,
    ODD_IDS,
    ScoredCustomer,
    customer_path,
    request,
)
from segmentation_assets_tests.testing.waiting import eventually
from serving.api.contract import Customer, Features, Include, Item, Order, Transaction
from serving.client import AsyncScorerClient, ScorerClient, ScorerError

pytestmark = pytest.mark.takes(30)

DOTS = [".", ".."]
DAYS = (date(2024, 2, 3), date(2024, 6, 20))
LINES = [
    Line(customer_id, f"{customer_id} {day}", product, datetime(day.year, day.month, day.day, 9), amount=17.5)
    for customer_id in ("C-20", *DOTS)
    for day in DAYS
    for product in ("P1", "P2")
]
LAST_YEAR = Line("C-21", "last year", "P1", datetime(2023, 8, 1))
"""Half a year later it is out of the window of July 2024."""

IMPORTED = "import sys, serving.client; print(*sys.modules)"
FOR_OPERATORS = {"live", "metrics"}
"""Operations for what restarts the scorer and watches it, rather than for services that ask it."""

BETWEEN_PAGES = {"cursor", "limit"}
NOT_FOR = {"rollback": {"override"}}
"""What the API has words for, and refuses."""


@pytest.fixture(scope="module")
def scorer(shop_settings: Settings, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningScorer]:
    """One scorer on a copy of the shop in which somebody has bought."""
    folder = tmp_path_factory.mktemp("client")
    settings = shop_settings.model_copy(update={"home": folder / "warehouse"})
    shutil.copytree(shop_settings.home, settings.home)
    with Lake(settings) as lake:
        today = Line("C-20", "today", "P1", datetime.now(UTC).replace(tzinfo=None))
        insert_lines(lake, [*LINES, LAST_YEAR, today])
    with running_scorer(environment_of(settings), folder / "scorer.log", "--workers=1") as running:
        yield running


@pytest.fixture(params=KINDS)
def ask(request: pytest.FixtureRequest, scorer: RunningScorer) -> Ask:
    """Asks the scorer with a client of either kind."""
    return asking(request.param, scorer.address, KEY)


def test_a_score_is_what_the_warehouse_has(ask: Ask, customers: list[ScoredCustomer]) -> None:
    answer = ask("score", request(customers)["customers"])
    assert answer.model_version == 1
    assert [(r.customer_id, r.segment_id, r.distance, r.confidence) for r in answer.results] == [
        (c.customer_id, c.segment["segment_id"], c.segment["distance"], c.segment["confidence"]) for c in customers
    ]


def test_customers_may_be_structs_mappings_and_numbers_of_numpy(ask: Ask, customers: list[ScoredCustomer]) -> None:
    one = customers[0]
    struct = Customer(Features(**one.features), one.customer_id)
    frozen = MappingProxyType({"customer_id": one.customer_id, "features": MappingProxyType(one.features)})
    numbers = {"order_count": np.int64(one.features["order_count"]), "is_one_time_buyer": np.bool_(True)}
    counted = {"customer_id": one.customer_id, "features": {**one.features, **numbers}}
    first, *others = ask("score", [struct, frozen, counted]).results
    assert first.segment_id == one.segment["segment_id"]
    assert others == [first] * 2


@pytest.mark.parametrize("chunk_rows", [1000, 299, 100, 7])
def test_a_frame_scores_as_its_rows_do(ask: Ask, customers: list[ScoredCustomer], chunk_rows: int) -> None:
    frame = pl.DataFrame([{"customer_id": c.customer_id, "note": "none", **c.features} for c in customers])
    rows = ask("score", request(customers)["customers"])

    scored = ask("score_frame", frame, chunk_rows=chunk_rows)

    assert set(scored["model_version"]) == {1}
    assert scored.drop("model_version").to_dicts() == [msgspec.structs.asdict(row) for row in rows.results]
    assert ask("score_frame", frame.to_arrow(), chunk_rows=chunk_rows).equals(scored)


def test_a_row_that_is_refused_can_be_found_in_its_frame(ask: Ask, customers: list[ScoredCustomer]) -> None:
    frame = pl.DataFrame([dict(c.features) for c in customers])
    holed = frame.with_columns(order_count=pl.when(pl.int_range(pl.len()) != 105).then("order_count"))
    with pytest.raises(ScorerError, match=r"Row 5 lacks order_count.* Rows count from row 100 of the frame\."):
        ask("score_frame", holed, chunk_rows=100)
    with pytest.raises(ScorerError, match="no customers"):
        ask("score_frame", frame.clear())


def test_order_lines_score_as_the_lake_that_has_them(ask: Ask) -> None:
    lines = [asdict(line) for line in LINES if line.customer_id != "."]  # which stands for nobody
    answer = ask("score_transactions", lines, JULY)
    assert (answer.as_of, answer.model_version, answer.without_purchase) == (JULY, 1, [])
    assert [each.customer_id for each in answer.results] == ["C-20", ".."]
    for each in answer.results:
        found = ask("customer", each.customer_id, fresh=True, as_of=JULY, include=["features"])
        assert (found.computed, found.segment_id, found.distance) == ("fresh", each.segment_id, each.distance)
        assert found.features == each.features
    assert ask("score_transactions", [Transaction(**line) for line in lines], as_of=JULY) == answer


@pytest.mark.parametrize("customer_id", ["C-20", *ODD_IDS, ESCAPED_ID])
def test_a_customer_is_found_by_any_id(ask: Ask, customers: list[ScoredCustomer], customer_id: str) -> None:
    [expected] = [customer for customer in customers if customer.customer_id == customer_id]
    found = ask("customer", customer_id)
    assert (found.customer_id, found.as_of, found.segment_id) == (customer_id, JULY, expected.segment["segment_id"])
    assert msgspec.structs.asdict(found.features) == expected.features
    [scored] = ask("score", [Customer(found.features, customer_id)]).results
    assert (scored.segment_id, scored.distance) == (found.segment_id, found.distance)


def test_a_customer_is_asked_about_in_every_way(ask: Ask) -> None:
    everything = ask("customer", "C-20")
    assert everything.why
    assert everything.history
    assert everything.moves
    assert ask("customer", "C-20", as_of=JULY, model=1) == everything

    bare = ask("customer", "C-20", include=[])
    assert (bare.features, bare.history, bare.why, bare.moves) == (None, None, None, None)
    some = ask("customer", "C-20", include=iter(["history", "features"]))
    assert (some.features, some.history) == (everything.features, everything.history)
    assert (some.why, some.moves) == (None, None)

    other = ask("customer", "C-20", model=2)
    assert (other.customer_id, other.computed, other.model_version) == ("C-20", "rescored", 2)


def test_a_move_that_leaves_nobody_has_no_distance(ask: Ask) -> None:
    moves = ask("customer", LAST_YEAR.customer_id, include=["moves"]).moves
    assert [(move.segment_id, move.distance) for move in moves if move.segment_id is None] == [(None, None)]


def test_orders_that_might_be_placed_are_played(ask: Ask) -> None:
    items = [Item(product_id="P3", quantity=2, amount=2000.0)]
    answer = ask("what_if", "..", [Order(items), {"items": [msgspec.to_builtins(items[0])]}], JULY)
    assert (answer.customer_id, answer.as_of) == ("..", JULY)
    assert answer.with_orders.features.order_count == answer.without.features.order_count + 2
    assert answer.is_moved == (answer.with_orders.segment_id != answer.without.segment_id)


@pytest.mark.parametrize(
    ("path", "question"),
    [
        (customer_path("C-20"), ("customer", "C-20")),
        ("/v1/segments", ("segments",)),
        ("/v1/segments?as_of=2024-06-01", ("segments", JUNE)),
        ("/v1/segments/1", ("segment", 1)),
        ("/v1/transitions", ("transitions",)),
        ("/v1/transitions?as_of=2024-06-01", ("transitions", JUNE)),
        ("/v1/snapshots", ("snapshots",)),
        ("/v1/snapshots/2024-06-01", ("snapshot", JUNE)),
        ("/v1/models", ("models",)),
        ("/v1/models/current", ("model",)),
        ("/v1/models/champion", ("model", "champion")),
        ("/v1/models/2", ("model", 2)),
        ("/health/ready", ("ready",)),
    ],
)
def test_an_answer_holds_all_that_was_sent(ask: Ask, scorer: RunningScorer, path: str, question: Any) -> None:
    with scorer.client() as client:
        sent = client.get(path).raise_for_status().json()
    assert json.loads(msgspec.json.encode(ask(*question))) == sent


@pytest.mark.parametrize("page_rows", [1000, 7])
def test_the_pages_of_a_segment_are_its_customers_in_the_warehouse(
    ask: Ask, customers: list[ScoredCustomer], models: dict[int, ModelVersion], page_rows: int
) -> None:
    for segment in models[1].artefact.segments:
        members = ask("segment_customers", segment.id, page_rows=page_rows)
        assert [(member.customer_id, member.confidence) for member in members] == [
            (c.customer_id, c.segment["confidence"]) for c in customers if c.segment["segment_id"] == segment.id
        ]
    earlier = [len(ask("segment_customers", each.id, JUNE)) for each in models[1].artefact.segments]
    assert sum(earlier) == 150


def test_a_version_is_promoted_and_rolled_back(ask: Ask) -> None:
    promoted = ask("promote", 2, "agreed with marketing", override=True)
    eventually(lambda: ask("ready").model_version == 2)
    again = ask("promote", 2)
    back = ask("rollback", 2, "it was a mistake")
    eventually(lambda: ask("ready").model_version == 1)
    assert [(each.champion, each.is_new) for each in (promoted, again, back)] == [(2, True), (2, False), (1, True)]


def test_a_refusal_says_what_the_scorer_said(ask: Ask, scorer: RunningScorer) -> None:
    with pytest.raises(ScorerError) as caught:
        ask("customer", GONE)
    with scorer.client() as client:
        said = client.get(customer_path(GONE)).json()
    error = caught.value
    assert {**vars(error), "instance": said["instance"]} == {**said, "request_id": error.request_id}
    assert re.fullmatch("[0-9a-f]{24}", error.request_id)
    assert str(error) == f"404 Unknown customer: {said['detail']} (request {error.request_id})"


@pytest.mark.parametrize("kind", KINDS)
def test_who_has_no_key_is_refused(kind: Any, scorer: RunningScorer) -> None:
    with pytest.raises(ScorerError) as caught:
        asking(kind, scorer.address, "seg_ffffffffffff_wrong")("models")
    assert (caught.value.status, caught.value.type) == (401, "urn:problem-type:unauthorized")


def test_every_operation_of_the_api_has_a_method_with_its_parameters(scorer: RunningScorer) -> None:
    with scorer.client() as client:
        document = client.get("/schema/openapi.json").json()
    found = [operation for methods in document["paths"].values() for operation in methods.values()]
    operations = {_snake(operation["operationId"]): operation for operation in found}
    assert operations.keys() >= FOR_OPERATORS
    for name in operations.keys() - FOR_OPERATORS:
        assert _inputs(operations[name]) - BETWEEN_PAGES - NOT_FOR.get(name, set()) == {
            parameter for parameter in signature(getattr(ScorerClient, name)).parameters if parameter != "self"
        } - {"page_rows"}


def test_both_clients_have_the_same_methods(scorer: RunningScorer) -> None:
    blocking, awaiting = (
        {name: list(signature(method).parameters.values()) for name, method in vars(each).items() if name[0] != "_"}
        for each in (ScorerClient, AsyncScorerClient)
    )
    awaiting["close"] = awaiting.pop("aclose")
    assert {name: str(each) for name, each in awaiting.items()} == {name: str(each) for name, each in blocking.items()}
    for each in (ScorerClient, AsyncScorerClient):
        assert all(method.__doc__ for name, method in vars(each).items() if name[0] != "_")


def test_what_a_customer_answer_includes_is_what_the_document_says(scorer: RunningScorer) -> None:
    with scorer.client() as client:
        document = client.get("/schema/openapi.json").json()
    assert document["components"]["schemas"]["Part"]["enum"] == list(get_args(Include))


def test_the_client_imports_neither_duckdb_nor_litestar() -> None:
    done = subprocess.run([sys.executable, "-c", IMPORTED], capture_output=True, text=True, check=True, cwd=ROOT)
    imported = set(done.stdout.split())
    assert "serving.client" in imported
    assert not imported & {"duckdb", "litestar", "pydantic", "pyarrow", "pandas", "dagster"}


def test_the_examples_of_the_guide_work(scorer: RunningScorer, capsys: pytest.CaptureFixture[str]) -> None:
    guide = (ROOT / "docs" / "client.md").read_text(encoding="utf-8")
    examples = re.findall(r"^```python\n(.*?)^```", guide, re.MULTILINE | re.DOTALL)
    code = "\n".join(examples).replace("http://127.0.0.1:8000", scorer.address).replace("seg_…", KEY)
    told: dict[str, Any] = {}
    code += "\nimport anyio\nsegment_name = anyio.run(segment_of, 'C-20')\nscorer.close()\n"
    exec(compile(code, "docs/client.md", "exec"), told)  # noqa: S102
    assert told["segment_name"] == told["known"].segment_name
    assert told["now"].computed == "fresh"
    assert "404 Unknown customer" in capsys.readouterr().out


def _inputs(operation: dict[str, Any]) -> set[str]:
    """What can be said to an operation: in its path, in its query, in its headers, and in its body."""
    body = operation.get("requestBody", {"content": {"application/json": {"schema": {"properties": {}}}}})
    fields = body["content"]["application/json"]["schema"]["properties"]
    named = (parameter["name"] for parameter in operation.get("parameters", []))
    return {*fields, *(name.lower().replace("-", "_") for name in named)}


def _snake(name: str) -> str:
    return re.sub("[A-Z]", lambda found: f"_{found[0].lower()}", name)
