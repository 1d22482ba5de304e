"""Who delivers: files that are ingested, pushes to the scorer, messages to a topic."""

import time
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

from segmentation_assets_tests.trial.oracle import Oracle
from segmentation_assets_tests.trial.orders import Line
from segmentation_assets_tests.trial.plan import Delivery, FileStep
from segmentation_assets_tests.trial.steps import Actor, Outcome, Step, TrialError, tail, until_done
from segmentation_assets_tests.trial.zygote import command

SOURCE, TOPIC, PARTITIONS = "till", "orders", 2
PUSH_TIMEOUT_S = 20.0


def files(oracle: Oracle, inbox: Path) -> Actor:
    """Write each file and ingest it; a corrupt one must be refused in so many words."""
    for step in oracle.plan.files:
        (inbox / step.name).write_bytes(step.content)
        oracle.files.begin()
        work = command("ingest", str(inbox / step.name), "--source", SOURCE)
        accept = _is_refused if step.fault == "corrupt_file" else None
        yield from until_done(partial(Step, f"ingest {_called(step)}", work), accept)
        oracle.files.acknowledge()


def pushes(oracle: Oracle, address: str, key: str) -> Actor:
    """Send each delivery until it is acknowledged, always with the same key."""
    seen = set[str]()
    for delivery in oracle.plan.pushes:
        oracle.pushes.begin()
        work = partial(_push, address, key, delivery)
        outcome = yield from until_done(partial(Step, "push", work, is_killable=False))
        oracle.pushes.acknowledge()
        answer = outcome.child.result()
        assert isinstance(answer, dict)
        refused = sum(line.reason is not None for line in delivery.lines)
        if answer["lines_read"] != len(delivery.lines) or answer["lines_rejected"] != refused:
            raise TrialError(f"the push {delivery.key} was acknowledged with {answer}")
        if delivery.key in seen and not answer["is_replay"]:
            raise TrialError(f"the push {delivery.key} was taken twice: {answer}")
        seen.add(delivery.key)


def messages(oracle: Oracle, servers: str) -> Actor:
    """Send each handful of messages once; the broker says which offset each has."""
    for delivery in oracle.plan.messages:
        outcome = yield Step("send", partial(_send, servers, delivery.lines), is_killable=False)
        if not outcome.is_done:
            raise TrialError(f"the broker took no messages:\n{tail(outcome)}")
        places = outcome.child.result()
        assert isinstance(places, list)
        for line, (partition, offset) in zip(delivery.lines, places, strict=True):
            oracle.sent.setdefault(f"{TOPIC}/{partition}", {})[offset] = line


def _called(step: FileStep) -> str:
    return f"{step.name} ({step.fault})" if step.fault else step.name


def _is_refused(outcome: Outcome) -> bool:
    said = outcome.child.said()
    return outcome.child.code == 1 and "Error:" in said and "Traceback" not in said and "till-z" in said


def _push(address: str, key: str, delivery: Delivery) -> dict[str, Any]:
    import httpx

    try:
        response = httpx.post(
            f"{address}/v1/transactions",
            params={"source": "web"},
            headers={"Authorization": f"Bearer {key}", "Idempotency-Key": delivery.key},
            json={"transactions": [line.as_row() for line in delivery.lines]},
            timeout=PUSH_TIMEOUT_S,
        )
    except httpx.TransportError as error:
        time.sleep(0.2)
        raise SystemExit(f"no answer: {error!r}") from error
    if response.status_code != 200:
        time.sleep(0.2)
        raise SystemExit(f"{response.status_code}: {response.text}")
    found: dict[str, Any] = response.json()
    return found


def _send(servers: str, lines: Sequence[Line]) -> list[tuple[int, int]]:
    """Send a message per line; the partition and offset of each."""
    import json

    from confluent_kafka import Producer

    places: dict[int, tuple[int, int]] = {}
    producer = Producer({"bootstrap.servers": servers, "linger.ms": 5, "partitioner": "consistent"})
    for number, line in enumerate(lines):

        def told(error: object, message: Any, number: int = number) -> None:
            assert error is None, error
            places[number] = (message.partition(), message.offset())

        producer.produce(TOPIC, json.dumps(line.as_row()).encode(), key=line.line_id, on_delivery=told)
    assert producer.flush(20) == 0
    return [places[number] for number in range(len(lines))]
