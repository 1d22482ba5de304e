"""`segmentation stream` against a real broker: every message is in the lake once, or among the rejects."""

import os
import random
import re
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from threading import Thread
from urllib.request import urlopen

import pytest
from confluent_kafka import Consumer, TopicPartition

from segmentation.settings import Settings
from segmentation.warehouse import Commit, Lake
from segmentation.warehouse.schema import migrate
from segmentation_assets_tests.streaming.conftest import PATIENCE_S, command, declare, drained, line, rows
from segmentation_assets_tests.testing.broker import Broker
from segmentation_assets_tests.testing.postgres import running_postgres

pytestmark = pytest.mark.takes(100)

ONCE = "SELECT count(*), count(DISTINCT line_id) FROM raw.transactions"


def test_a_topic_is_read_to_its_end_and_again_nothing_is(broker: Broker, topic: str, shop: Settings) -> None:
    broker.send(topic, [(f"c{number % 50}", line(number)) for number in range(600)])
    environment = declare(shop, broker, topic)
    first, second = drained(environment), drained(environment)
    assert (first.returncode, second.returncode) == (0, 0), first.stderr + second.stderr
    assert "600 new, 0 replaced, 0 repeated, 0 rejected" in first.stderr
    assert "0 new, 0 replaced, 0 repeated, 0 rejected" in second.stderr
    assert rows(shop, ONCE) == [(600, 600)]
    assert rows(shop, "SELECT sum(arg) FROM (SELECT arg_max(CAST(position AS INT), revision) AS arg "
                      "FROM raw.positions GROUP BY channel)") == [(600,)]  # fmt: skip


def test_what_cannot_be_read_is_rejected_and_copied_to_the_dead_letters(
    broker: Broker, topic: str, shop: Settings
) -> None:
    dead = broker.create(f"{topic}-dead")
    bad = [b"nonsense", b"", b'"text"', b"[1]", b"\xff\xfe", line(1, quantity=0), b'{"line_id": "x"}']
    broker.send(topic, [*bad, b"[" + line(2) + b", " + line(3) + b"]", line(4)])
    done = drained(declare(shop, broker, topic, dead_letter_topic=dead))
    assert "3 new, 0 replaced, 0 repeated, 7 rejected" in done.stderr, done.stderr
    reasons = rows(shop, "SELECT reason, count(*) FROM raw.rejected_transactions GROUP BY reason ORDER BY reason")
    assert reasons == [("malformed_line", 5), ("missing_order", 1), ("zero_quantity", 1)]
    assert _bodies(broker, dead, len(bad)) == sorted(bad)


def test_a_corrected_line_replaces_and_a_repeated_one_does_nothing(broker: Broker, topic: str, shop: Settings) -> None:
    environment = declare(shop, broker, topic)
    broker.send(topic, [("k", line(1)), ("k", line(2))])
    drained(environment)
    broker.send(topic, [("k", line(1)), ("k", line(2, quantity=9)), ("k", line(3))])
    assert "1 new, 1 replaced, 1 repeated" in drained(environment).stderr
    assert rows(shop, "SELECT line_id, quantity FROM raw.transactions ORDER BY ALL") == [
        ("l1", 2.0),
        ("l2", 9.0),
        ("l3", 4.0),
    ]


def test_killed_consumers_and_a_silent_broker_lose_and_double_nothing(
    broker: Broker, topic: str, shop: Settings, tmp_path: Path
) -> None:
    environment = declare(shop, broker, topic, flush_s=2, options={"session.timeout.ms": 6000})
    choose, total = random.Random(3), 3_000
    sender = Thread(target=_send_slowly, args=(broker, topic, total))
    with ExitStack() as running:

        def start() -> "subprocess.Popen[bytes]":
            return running.enter_context(_running(environment, tmp_path / "log"))

        processes = [start(), start()]
        sender.start()
        for _ in range(3):
            time.sleep(choose.uniform(3, 6))
            number = choose.randrange(2)
            os.kill(processes[number].pid, signal.SIGKILL)
            processes[number].wait()
            processes[number] = start()
        with broker.silent():
            time.sleep(2)
        sender.join()
    # Offsets are the lake's: who goes on needs no group that remembers the dead.
    done = drained(declare(shop, broker, topic, group="others"))
    assert done.returncode == 0, done.stderr
    assert rows(shop, ONCE) == [(total, total)]
    assert rows(shop, "SELECT sum(lines_new), sum(lines_repeated) FROM raw.deliveries") == [(total, 0)]
    assert rows(shop, "SELECT count(*), count(DISTINCT source_file) FROM raw.rejected_transactions") == [(30, 30)]


def test_messages_that_are_gone_stop_the_stream_until_somebody_decides(
    broker: Broker, topic: str, shop: Settings
) -> None:
    broker.send(topic, [line(number) for number in range(9)])
    environment = declare(shop, broker, topic)
    with Lake(shop) as lake, lake.cursor() as con:
        gone = f"INSERT INTO raw.positions SELECT 'app', '{topic}/' || i, '1000', 1, now() FROM range(3) t(i)"
        lake.transaction(con, Commit("test"), lambda c: c.execute(gone))
    refused = drained(environment)
    assert refused.returncode == 1
    assert re.search(r"Messages of .* from offset 1000 on are\s+gone from the broker", refused.stderr)
    assert "9 new" in drained(environment, "--skip-lost").stderr


def test_lines_wait_in_the_topic_while_the_catalogue_is_down(broker: Broker, topic: str, tmp_path: Path) -> None:
    with running_postgres() as server:
        settings = Settings(home=tmp_path / "home", catalog=f"postgres:{server.new_database()}", customer_buckets=4)
        with Lake(settings, create=True) as lake:
            migrate(lake)
        environment = {**declare(settings, broker, topic), "SEGMENTATION_CATALOG": settings.catalog}
        log = tmp_path / "log"
        with ExitStack() as running:
            processes = [running.enter_context(_running(environment, log))]

            def arrived(lines: int) -> bool:
                # DuckDB aborts the process if PostgreSQL goes while a transaction is rolled back; as Compose does,
                # somebody starts it again.
                if processes[-1].poll() == -signal.SIGABRT:
                    processes.append(running.enter_context(_running(environment, log)))
                return rows(settings, ONCE) == [(lines, lines)]

            broker.send(topic, [line(number) for number in range(50)])
            _wait_for(lambda: arrived(50), log)
            server.stop()
            broker.send(topic, [line(number) for number in range(50, 120)])
            time.sleep(2)
            server.start()
            _wait_for(lambda: arrived(120), log)
            processes[-1].terminate()
            assert processes[-1].wait(PATIENCE_S) == 0, log.read_text()
        assert rows(settings, "SELECT sum(lines_repeated) FROM raw.deliveries") == [(0,)]


def test_metrics_tell_lines_lag_and_lateness(broker: Broker, topic: str, shop: Settings, tmp_path: Path) -> None:
    broker.send(topic, [line(number) for number in range(20)] + [b"?"])
    log = tmp_path / "log"
    with _running(declare(shop, broker, topic), log, "--metrics-port", "0") as process:
        _wait_for(lambda: "http://" in log.read_text(), log)
        address = re.findall(r"http://\S+", log.read_text())[0]
        _wait_for(lambda: 'segmentation_stream_lines_total{outcome="new",source="app"} 20.0' in _get(address), log)
        told = _get(address)
        process.terminate()
        assert process.wait(PATIENCE_S) == 0
    assert 'segmentation_stream_lines_total{outcome="rejected",source="app"} 1.0' in told
    assert 'segmentation_stream_visible_seconds_count{source="app"} 21.0' in told
    assert 'segmentation_stream_broker_up{source="app"} 1.0' in told
    assert sum(float(lag) for lag in re.findall(r"lag_messages\{.*\} (\S+)", told)) == 0


def test_what_cannot_be_streamed_is_told_in_a_sentence(broker: Broker, shop: Settings) -> None:
    environment = declare(shop, broker, "no-such-topic", options={"allow.auto.create.topics": False})
    missing = drained(environment)
    assert missing.returncode == 1
    assert "no-such-topic" in missing.stderr
    unknown = subprocess.run(command("other"), env=environment, capture_output=True, text=True, timeout=60, check=False)
    assert unknown.returncode == 1
    assert "There is no source 'other' of type kafka" in unknown.stderr
    Path(environment["SEGMENTATION_SOURCES"]).unlink()
    empty = subprocess.run(command(), env=environment, capture_output=True, text=True, timeout=60, check=False)
    assert empty.returncode == 1
    assert "type: kafka" in empty.stderr
    odd = drained(declare(shop, broker, "x", options={"no.such.option": 1}))
    assert odd.returncode == 1
    assert "no.such.option" in odd.stderr
    assert not any("Traceback" in each.stderr for each in (missing, unknown, empty, odd))


def _send_slowly(broker: Broker, topic: str, total: int) -> None:
    for start in range(0, total, 100):
        broker.send(topic, [(f"c{number % 50}", line(number)) for number in range(start, start + 100)] + [b"?"])
        time.sleep(0.2)


@contextmanager
def _running(environment: dict[str, str], log: Path, *options: str) -> "Iterator[subprocess.Popen[bytes]]":
    """A consumer that is told to stop in the end."""
    words = command("app", "--verbose", *options)
    with log.open("ab") as output, subprocess.Popen(words, env=environment, stdout=output, stderr=output) as process:
        try:
            yield process
        finally:
            process.terminate()
            try:
                process.wait(PATIENCE_S)
            except subprocess.TimeoutExpired:
                process.kill()


def _wait_for(holds: Callable[[], bool], log: Path) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while not holds():
        assert time.monotonic() < deadline, f"it has not happened in time\n{log.read_text()}"
        time.sleep(0.2)


def _get(address: str) -> str:
    with urlopen(address, timeout=10) as answer:
        text: str = answer.read().decode()
        return text


def _bodies(broker: Broker, topic: str, count: int) -> list[bytes]:
    options = {"bootstrap.servers": broker.servers, "group.id": f"{topic}-reader", "auto.offset.reset": "earliest"}
    consumer = Consumer(options)
    consumer.assign([TopicPartition(topic, 0, 0)])
    found: list[bytes] = []
    deadline = time.monotonic() + PATIENCE_S
    while len(found) < count and time.monotonic() < deadline:
        found += [message.value() or b"" for message in consumer.consume(count, 0.5) if not message.error()]
    consumer.close()
    return sorted(found)
