"""A stream of order lines into the lake: how late lines are, what they cost, and whether each arrives once.

Run `python -m benchmarks.stream [--quick] [--json FILE]`. Three cases: a topic that is full is drained, by us and in
the plain way; lines come at a steady rate, while SQL and the scorer look for them; and the same while consumers are
killed at random moments and the broker stops answering for a while.
"""

import argparse
import random
import shutil
import tempfile
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from threading import Thread

import httpx
import msgspec
import numpy as np
from confluent_kafka import Producer
from rich.console import Console
from rich.table import Table

from benchmarks.reporting import Target, at_least, at_most, machine, print_targets, write_json
from benchmarks.serving.shop import Shop, environment, make_key, make_shop
from benchmarks.stream.consumers import Consumers, run_and_measure, stream_command, wait_until
from benchmarks.stream.traffic import Sender, progress
from benchmarks.stream.watching import ScorerWatcher, SqlWatcher
from segmentation.access.keys import Scope
from segmentation.settings import Settings
from segmentation.warehouse import Lake
from segmentation_assets_tests.testing.broker import Broker, running_broker
from segmentation_assets_tests.testing.running_scorer import running_scorer

SEED = 7
PARTITIONS = 4
WARM_UP_S = 5

LINES = "SELECT count(*), count(DISTINCT line_id) FROM raw.transactions WHERE source = 'app'"
REJECTS = "SELECT count(*) FROM raw.rejected_transactions WHERE source = 'app'"


@dataclass(frozen=True)
class Result:
    """What came of a case.

    Attributes:
        contender: Who read the topic.
        case: What happened.
        lines: Lines that could be read, all of which are in the lake once.
        wall_s: How long it took.
        cpu_s: CPU of the consumer, where it was measured.
        p50_s: Middle time from sending a line to seeing it with SQL.
        p99_s: The time within which 99 % of the lines were seen.
        worst_s: The longest.
        scorer_p99_s: The same as `p99_s` for an order in the scorer's fresh features.
    """

    contender: str
    case: str
    lines: int
    wall_s: float
    cpu_s: float | None = None
    p50_s: float | None = None
    p99_s: float | None = None
    worst_s: float | None = None
    scorer_p99_s: float | None = None


@dataclass(frozen=True)
class Plan:
    """How much is done."""

    rate: float
    drained: int
    steady_s: float
    killing_s: float
    kills: int
    silence_s: float


FULL = Plan(rate=2_000, drained=60_000, steady_s=60, killing_s=90, kills=20, silence_s=20)
QUICK = Plan(rate=2_000, drained=10_000, steady_s=10, killing_s=25, kills=5, silence_s=5)


def main() -> None:
    """Run all cases, print what came of them, and say which targets were met."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="a quarter of everything")
    parser.add_argument("--rate", type=float, help="lines a second")
    parser.add_argument("--consumers", type=int, default=1, help="consumer processes at a steady rate; under fire two")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    plan, console = QUICK if options.quick else FULL, Console(width=150)
    if options.rate:
        plan = Plan(**{**asdict(plan), "rate": options.rate})
    with tempfile.TemporaryDirectory(prefix="segmentation-stream-") as name:
        folder = Path(name)
        shop = make_shop(folder / "shop")
        with running_broker() as broker:
            results = [
                *_drain(console, folder, shop, broker, plan),
                _steady(console, folder, shop, broker, plan, options.consumers),
                _under_fire(console, folder, shop, broker, plan, max(options.consumers, 2)),
            ]
    console.print(_table(results))
    targets = _targets(results)
    print_targets(console, targets)
    if options.json:
        write_json(
            options.json, machine(["duckdb", "confluent-kafka"]), [asdict(result) for result in results], targets
        )


def _drain(console: Console, folder: Path, shop: Shop, broker: Broker, plan: Plan) -> list[Result]:
    results: list[Result] = []
    for contender in ("plain INSERT", "segmentation stream", "plain INSERT", "segmentation stream"):
        number = len(results)
        topic, own = broker.create(f"drain-{number}", PARTITIONS), _copy_of(shop, folder / f"drain-{number}")
        _fill(broker, topic, plan.drained)
        command = stream_command("--until-empty")
        if contender == "plain INSERT":
            command = [command[0], "-m", "benchmarks.stream.plain", broker.servers, topic, str(plan.drained)]
        wall_s, cpu_s = run_and_measure(command, _environment(own, broker, topic), folder / f"drain-{number}.log")
        lines = _check(own, plan.drained)
        console.print(f"{contender} drained {lines:,} lines in {wall_s:.1f} s, {cpu_s:.1f} s of CPU", highlight=False)
        results.append(Result(contender, "drain", lines, round(wall_s, 2), round(cpu_s, 2)))
    return results


def _steady(console: Console, folder: Path, shop: Shop, broker: Broker, plan: Plan, consumers: int) -> Result:
    topic, own = broker.create("steady", PARTITIONS), _copy_of(shop, folder / "steady")
    env, began = _environment(own, broker, topic), time.monotonic()
    log = folder / "steady.log"
    key = make_key(own, Scope.READ)
    with (
        running_scorer(_environment(own, broker, topic), folder / "scorer.log", "--workers", "1") as scorer,
        httpx.Client(base_url=scorer.address, headers={"X-API-Key": key}, timeout=30) as client,
        Consumers(consumers, stream_command("--verbose"), env, log),
        SqlWatcher(own) as sql,
    ):
        _warm_up(broker, topic, sql)
        with (
            ScorerWatcher(client, lambda *order: _send_order(broker, topic, *order)) as probe,
            Sender(broker.servers, topic, plan.rate) as sender,
        ):
            for _ in progress(plan.steady_s, 1):
                pass
        wait_until(lambda: len(sql.seen) >= len(sender.sent))
    _check(own, len(sender.sent), sender.bad)
    result = _result("steady", sender, sql, began)
    console.print(
        f"SQL answered in {np.median(sql.queries_s) * 1000:.0f} ms (median), {max(sql.queries_s):.2f} s at most"
    )
    return Result(**{**asdict(result), "scorer_p99_s": round(float(np.quantile(probe.waited_s, 0.99)), 3)})


def _under_fire(console: Console, folder: Path, shop: Shop, broker: Broker, plan: Plan, consumers: int) -> Result:
    topic, own = broker.create("fire", PARTITIONS), _copy_of(shop, folder / "fire")
    env, began, choose = _environment(own, broker, topic), time.monotonic(), random.Random(SEED)  # noqa: S311 (no secret)
    kills = sorted(choose.uniform(0, plan.killing_s * 0.9) for _ in range(plan.kills))
    with Consumers(consumers, stream_command("--verbose"), env, folder / "fire.log") as running, SqlWatcher(own) as sql:
        _warm_up(broker, topic, sql)
        with Sender(broker.servers, topic, plan.rate) as sender:
            silence = Thread(target=_silence, args=(broker, plan))
            silence.start()
            start = time.monotonic()
            while running.kills < plan.kills or time.monotonic() - start < plan.killing_s:
                if running.kills < plan.kills and time.monotonic() - start >= kills[running.kills]:
                    running.kill_one(choose)
                time.sleep(0.05)
            silence.join()
        wait_until(lambda: len(sql.seen) >= len(sender.sent), 180)
    _check(own, len(sender.sent), sender.bad)
    console.print(f"{running.kills} consumers were killed, and the broker was silent for {plan.silence_s:.0f} s")
    return _result(f"{running.kills} kills, broker silent for {plan.silence_s:.0f} s", sender, sql, began)


def _silence(broker: Broker, plan: Plan) -> None:
    time.sleep(plan.killing_s / 3)
    with broker.silent():
        time.sleep(plan.silence_s)


def _warm_up(broker: Broker, topic: str, sql: SqlWatcher) -> None:
    """Wait until consumers read: starting is not what is measured."""
    _send_order(broker, topic, "warm-up", 0)
    wait_until(lambda: bool(sql.seen))
    time.sleep(WARM_UP_S)
    sql.seen.clear()


def _result(case: str, sender: Sender, sql: SqlWatcher, began: float) -> Result:
    late = np.array([sql.seen[line_id] - sent for line_id, sent in sender.sent.items()])
    p50, p99 = np.quantile(late, [0.5, 0.99])
    return Result(
        "segmentation stream",
        case,
        len(sender.sent),
        round(time.monotonic() - began, 1),
        None,
        round(float(p50), 3),
        round(float(p99), 3),
        round(float(late.max()), 3),
    )


def _check(settings: Settings, expected: int, bad: int = 0) -> int:
    """That every line is there, once, and every bad message among the rejects, once."""
    with Lake(settings, read_only=True) as lake, lake.cursor() as con:
        lines, distinct = con.execute(LINES + " AND line_id NOT LIKE 'w-%'").fetchall()[0]
        rejects = con.execute(REJECTS).fetchall()[0][0]
    if (lines, distinct, rejects) != (expected, expected, bad):
        raise RuntimeError(
            f"{lines:,} lines, {distinct:,} ids, {rejects} rejects; sent {expected:,} and {bad} bad ones"
        )
    return int(lines)


def _copy_of(shop: Shop, home: Path) -> Settings:
    shutil.copytree(shop.settings.home, home / "lake")
    return shop.settings.model_copy(update={"home": home / "lake"})


def _environment(settings: Settings, broker: Broker, topic: str) -> dict[str, str]:
    path = settings.home.parent / "sources.yaml"
    source = {"type": "kafka", "servers": broker.servers, "topic": topic, "flush_s": 20}
    path.write_bytes(msgspec.yaml.encode({"sources": {"app": source}}))
    return environment(settings.model_copy(update={"sources": path}))


def _fill(broker: Broker, topic: str, lines: int) -> None:
    producer = Producer({"bootstrap.servers": broker.servers, "queue.buffering.max.messages": lines + 1})
    for number in range(lines):
        producer.produce(topic, _line(f"s-{number}", f"c{number // 3 % 5000}", f"s-{number // 3}"), key=str(number))
    producer.flush()


def _send_order(broker: Broker, topic: str, customer: str, number: int) -> None:
    broker.send(topic, [(customer, _line(f"w-{customer}-{number}", customer, f"w-{customer}-{number}"))])


def _line(line_id: str, customer: str, order: str) -> bytes:
    return msgspec.json.encode(
        {
            "line_id": line_id,
            "order_id": order,
            "customer_id": customer,
            "product_id": "p1",
            "category": "k1",
            "quantity": 1,
            "unit_price": 2.5,
            "ordered_at": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        }
    )


def _table(results: list[Result]) -> Table:
    table = Table(
        "contender", "case", "lines", "wall s", "CPU s", "lines/CPU s", "p50 s", "p99 s", "worst s", "scorer p99 s"
    )
    for result in results:
        rate = f"{result.lines / result.cpu_s:,.0f}" if result.cpu_s else ""
        figures = (result.cpu_s, rate, result.p50_s, result.p99_s, result.worst_s, result.scorer_p99_s)
        cells = ("" if figure is None else str(figure) for figure in figures)
        table.add_row(result.contender, result.case, f"{result.lines:,}", str(result.wall_s), *cells)
    return table


def _targets(results: list[Result]) -> list[Target]:
    by_case: dict[str, list[Result]] = {}
    for result in results:
        by_case.setdefault(result.case, []).append(result)

    def mean(contender: str) -> float:
        return float(np.mean([each.cpu_s for each in by_case["drain"] if each.contender == contender and each.cpu_s]))

    steady, fire = by_case["steady"][0], results[-1]
    return [
        at_most("p99 from sending to SQL, steady", 2, steady.p99_s, "s"),
        at_most("p99 from sending to the scorer's features, steady", 2, steady.scorer_p99_s, "s"),
        at_least("share of the lines that are there once, under fire", 1, 1.0 if fire.lines else None, ""),
        at_most("CPU of a drained topic, beside the plain way", 3, mean("segmentation stream") / mean("plain INSERT")),
    ]


if __name__ == "__main__":
    main()
