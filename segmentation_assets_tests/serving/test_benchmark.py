"""The benchmark of serving: equal mathematics, load generator, judgement and targets. Timings are no tests."""

import socket
import socketserver
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from benchmarks.serving.cases import HUNDRED, MANY, MANY_IN_ARROW, ONE, Case
from benchmarks.serving.contenders import BY_NAME, EMPTY, FLASK, OURS, Contender
from benchmarks.serving.environments import CannotRunError, missing
from benchmarks.serving.load import BadAnswerError, drive
from benchmarks.serving.results import figures, rows, targets
from benchmarks.serving.running import Outcome, Sample, difference, model_of, run
from benchmarks.serving.servers import started
from benchmarks.serving.shop import Customers, Shop, environment, make_key
from benchmarks.serving.wire import ARROW, JSON, RECORDS, SPLIT_FRAME, STREAM, Scores, http_request
from segmentation.modeling.artefact import FORMAT, Artefact, Evaluator, FeatureRule, Provenance, Segment
from segmentation.modeling.registry import ModelVersion
from segmentation.settings import Settings
from segmentation_assets_tests.testing.shop import ScoredCustomer, matrix

RULES = (
    FeatureRule("net_revenue", None, -50.0, 900.0, "signed_log", 2.0, 1.5),
    FeatureRule("recency_days", None, 1.0, 300.0, "log", 3.0, 1.0),
    FeatureRule("category_entropy", 0.7, 0.0, 2.0, "identity", 1.0, 0.5),
    FeatureRule("tenure_days", 100.0, 0.0, 365.0, "sqrt", 10.0, 4.0),
    FeatureRule("order_count", 2.0, 1.0, 40.0, "log", 1.5, 0.8),
)
PROJECTION = ((0.6, 0.0, 0.8, 0.1, 0.0), (0.0, 1.0, 0.0, 0.0, -0.3))


def made_up_artefact(projection: tuple[tuple[float, ...], ...] | None = PROJECTION) -> Artefact:
    centroids = np.random.default_rng(1).normal(size=(4, len(projection or RULES)))
    segments = tuple(
        Segment(10 + index, f"Segment {index}", "", tuple(centroid), cutoff=0.1)
        for index, centroid in enumerate(centroids.tolist())
    )
    return Artefact(FORMAT, RULES, segments, Provenance(date(2026, 1, 1), 0, "test", 7, "test"), projection)


def some_customers(count: int = 300) -> Customers:
    """Some below, between and above the caps, with gaps where there is a rule for them."""
    rng = np.random.default_rng(2)
    values = rng.uniform(-100, 1000, (count, len(RULES)))
    values[:, 2:][rng.random((count, 3)) < 0.2] = np.nan
    return Customers(tuple(f"C-{index}" for index in range(count)), made_up_artefact().feature_names, values)


@pytest.fixture
def shop(tmp_path: Path) -> Shop:
    return Shop(Settings(home=tmp_path / "lake"), made_up_artefact(), some_customers(), "a key")


@pytest.mark.parametrize("projection", [PROJECTION, None], ids=["projected", "not projected"])
def test_the_pipeline_of_the_others_does_what_the_artefact_does(
    projection: tuple[tuple[float, ...], ...] | None,
) -> None:
    known, model = some_customers(), model_of(made_up_artefact(projection))
    frame = pd.DataFrame(known.values, columns=list(known.features))
    assigned = Evaluator(made_up_artefact(projection)).assign(known.values)
    scores = model.score(frame)
    assert (scores["segment_id"].to_numpy() == np.array(model.segment_ids)[assigned.segment]).all()
    assert (scores["runner_up_id"].to_numpy() == np.array(model.segment_ids)[assigned.runner_up]).all()
    np.testing.assert_allclose(scores["distance"], assigned.distance, rtol=0, atol=1e-9)
    np.testing.assert_allclose(scores["confidence"], assigned.confidence, rtol=0, atol=1e-9)
    assert (model.pipeline.predict(frame) == assigned.segment).all()


def test_a_stream_has_a_column_for_each_feature_with_nulls_for_gaps() -> None:
    known = some_customers(50)
    table = pa.ipc.open_stream(STREAM.body(known)).read_all()
    assert tuple(table.column_names) == ("customer_id", *known.features)
    assert table["customer_id"].to_pylist() == list(known.ids)
    assert table["order_count"].null_count == np.isnan(known.values[:, -1]).sum() > 0
    np.testing.assert_array_equal(table["tenure_days"].to_numpy(), known.values[:, 3])


def test_the_customers_of_a_batch_are_the_same_for_everybody() -> None:
    known = some_customers()
    assert known.drawn(20).ids == known.drawn(20).ids
    assert len(set(known.drawn(20).ids)) > 1


def test_every_form_of_answer_is_read() -> None:
    ids = np.array([7, 3])
    assert SPLIT_FRAME.scores is not None
    assert RECORDS.scores is not None
    assert SPLIT_FRAME.scores(b'{"predictions": [1, 0, 1]}', ids).segment_ids.tolist() == [3, 7, 3]
    read = RECORDS.scores(b'{"results": [{"segment_id": 3, "distance": 0.5}]}', ids)
    assert read.distances is not None
    assert (read.segment_ids.tolist(), read.distances.tolist()) == ([3], [0.5])


def test_a_wrong_answer_is_told_and_a_rounding_error_is_not() -> None:
    right = Scores(np.array([1, 2]), np.array([0.5, 0.5]))
    assert difference(right, right) == ""
    assert difference(Scores(right.segment_ids, np.array([0.5, 0.5 + 1e-12])), right) == ""
    assert difference(Scores(right.segment_ids, None), right) == ""
    assert difference(Scores(np.array([1, 1]), None), right) == "1 of 2 customers are in another segment"
    assert difference(Scores(np.array([1]), None), right) == "1 scores for 2 customers"
    assert "off by up to 0.1" in difference(Scores(right.segment_ids, np.array([0.5, 0.6])), right)


@pytest.mark.parametrize("closes", [False, True], ids=["keeps alive", "closes"])
def test_the_load_generator_gets_an_answer_to_every_request(*, closes: bool) -> None:
    request = http_request("POST", "/score", RECORDS, b"x" * 3_000_000)
    with _answering(b"200 OK", closes=closes) as server:
        load = drive(server.address, [request, request], 0.0, least=3)
    assert [len(latencies) for latencies in load.latencies_s] == [3, 3]
    assert load.requests == 6
    assert server.bodies == [3_000_000] * 6
    assert server.connections == (6 if closes else 2)


def test_the_load_generator_stops_at_a_refusal() -> None:
    with (
        _answering(b"503 Service Unavailable", closes=False) as server,
        pytest.raises(BadAnswerError, match="status 503"),
    ):
        drive(server.address, [http_request("GET", "/", RECORDS, b"")], 0.0)


def test_the_key_is_sent_where_there_is_one() -> None:
    assert b"\r\nAuthorization: Bearer secret\r\n" in http_request("POST", "/", RECORDS, b"{}", "secret")
    assert b"Authorization" not in http_request("POST", "/", RECORDS, b"{}")


def test_servers_are_measured_and_their_answers_compared(shop: Shop, tmp_path: Path) -> None:
    contenders = [name for name in (FLASK, EMPTY, f"{EMPTY}-post") if not missing(BY_NAME[name].requirements)]
    outcomes = run(shop, contenders, [ONE, HUNDRED], 1, 0.05, tmp_path, tmp_path, lambda _: None)
    assert [(outcome.contender, outcome.case) for outcome in outcomes] == [
        *((name, ONE) for name in contenders),
        *((name, HUNDRED) for name in contenders if name == FLASK),
    ]
    assert {outcome.note for outcome in outcomes} == {""}
    assert all(outcome.samples[0].requests >= 8 and outcome.samples[0].peak_rss_mb > 1 for outcome in outcomes)


def test_the_scorer_wants_its_key_and_answers_right_in_both_forms(
    own_settings: Settings, models: dict[int, ModelVersion], customers: list[ScoredCustomer], tmp_path: Path
) -> None:
    artefact = models[1].artefact
    ids = tuple(customer.customer_id for customer in customers)
    known = Customers(ids, artefact.feature_names, matrix(customers, artefact))
    shop = Shop(own_settings, artefact, known, make_key(own_settings))
    cases = [Case("20", 20, connections=1), Case("20 Arrow", 20, ARROW, connections=1)]
    outcomes = run(shop, [OURS], cases, 1, 0.05, tmp_path, tmp_path, lambda _: None)
    assert [(outcome.case, outcome.note, len(outcome.samples)) for outcome in outcomes] == [
        (case, "", 1) for case in cases
    ]


def test_a_server_that_does_not_start_says_why(shop: Shop, tmp_path: Path) -> None:
    broken = Contender("broken", "", lambda place: [place.python, "-c", "raise SystemExit('no such thing')"], "/")
    with (
        pytest.raises(CannotRunError, match="ended with 1: no such thing"),
        started(broken, "python", environment(shop.settings), tmp_path / "broken", b""),
    ):
        pytest.fail("it started")


def test_figures_are_medians_of_rounds_with_the_least_peak() -> None:
    found = figures(Outcome(OURS, HUNDRED, (_sample(0.1), _sample(0.3, peak=90.0), _sample(0.2))))
    assert found.cpu_ms_per_request == pytest.approx(200.0)
    assert found.cpu_us_per_customer == pytest.approx(2_000.0)
    assert found.peak_rss_mb == 90.0
    assert (found.requests_per_s, found.customers_per_s) == (2.0, 200.0)
    assert found.p50_ms == pytest.approx(2.0)
    assert found.p99_ms == pytest.approx(3.0)


def test_targets_compare_cpu_and_are_not_measured_without_a_partner() -> None:
    outcomes = [
        Outcome(OURS, ONE, (_sample(0.01),)),
        Outcome(OURS, MANY_IN_ARROW, (_sample(0.1),)),
        Outcome(FLASK, ONE, (_sample(0.12),)),
        Outcome(FLASK, MANY, (_sample(2.0),)),
        Outcome(EMPTY, ONE, (_sample(0.005),)),
        Outcome("bentoml", ONE, note="not run: no network"),
    ]
    found = targets(outcomes)
    assert [round(target.measured or 0, 6) for target in found] == [12, 50, 20]
    assert [target.met for target in found] == [True, True, False]
    drifted = [
        Outcome(OURS, ONE, (_sample(0.01), _sample(0.02), _sample(0.03))),
        Outcome(FLASK, ONE, (_sample(0.12), _sample(0.45), _sample(0.26))),
    ]
    assert targets(drifted)[0].measured == pytest.approx(12.0), "the median of ratios, not the ratio of medians"
    assert rows(outcomes)[-1]["note"] == "not run: no network"
    assert [target.met for target in targets(outcomes[:2])] == [None, None, None]


def test_others_take_part_only_in_what_they_understand() -> None:
    assert MANY_IN_ARROW.is_for(BY_NAME[OURS])
    assert not MANY_IN_ARROW.is_for(BY_NAME[FLASK])
    assert not MANY.is_for(BY_NAME[EMPTY])
    assert all(ONE.is_for(contender) and JSON in contender.wires for contender in BY_NAME.values())


def _sample(cpu_s_per_request: float, peak: float = 100.0) -> Sample:
    return Sample((0.001, 0.002, 0.003), 20, 10.0, 20 * cpu_s_per_request, peak)


class _Server(socketserver.ThreadingTCPServer):
    """Answers anything with a fixed status, and counts."""

    daemon_threads = True

    def __init__(self, status: bytes, *, closes: bool) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.status, self.closes = status, closes
        self.connections, self.bodies = 0, list[int]()

    @property
    def address(self) -> tuple[str, int]:
        name: tuple[str, int] = self.socket.getsockname()
        return name


class _Handler(socketserver.StreamRequestHandler):
    server: _Server

    def handle(self) -> None:
        self.server.connections += 1
        while head := self._head():
            length = next((int(line.split()[1]) for line in head if line.startswith(b"Content-Length")), 0)
            self.server.bodies.append(len(self.rfile.read(length)))
            ending = b"Connection: close\r\n" if self.server.closes else b""
            self.wfile.write(b"HTTP/1.1 " + self.server.status + b"\r\nContent-Length: 2\r\n" + ending + b"\r\nok")
            if self.server.closes:
                self.request.shutdown(socket.SHUT_WR)
                return

    def _head(self) -> list[bytes]:
        lines = []
        while (line := self.rfile.readline()).strip():
            lines.append(line)
        return lines


@contextmanager
def _answering(status: bytes, *, closes: bool) -> Iterator[_Server]:
    with _Server(status, closes=closes) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield server
        server.shutdown()
        thread.join()
