"""`segmentation stream`: reads a Kafka topic into the lake until it is stopped."""

import logging
import signal
import sys
import time
from threading import Event
from typing import Annotated

import typer

from segmentation.errors import SourceError
from segmentation.settings import Settings, load_settings
from segmentation.sources.config import EXAMPLE_OF, KafkaSource, declared_source, declared_sources
from segmentation.sources.incremental.deliveries import Receipt
from segmentation.sources.readers.addresses import require_allowed
from segmentation.terminal import make_console

INLINE_ROWS = 20_000
TOLD_EVERY_S = 5.0
METRICS_PANEL = "Metrics"


def stream(
    name: Annotated[
        str | None, typer.Argument(help="A source of type kafka in sources.yaml; may be left out if there is one.")
    ] = None,
    until_empty: Annotated[bool, typer.Option("--until-empty", help="Stop once every message has been read.")] = False,
    skip_lost: Annotated[
        bool,
        typer.Option("--skip-lost", help="Where the next message is gone from the broker, go on with the oldest one."),
    ] = False,
    metrics_port: Annotated[
        int | None,
        typer.Option(
            min=0,
            max=65535,
            help="Serve metrics for Prometheus on this port; 0 for any.",
            rich_help_panel=METRICS_PANEL,
        ),
    ] = None,
    metrics_host: Annotated[
        str, typer.Option(help="Address that metrics are served on.", rich_help_panel=METRICS_PANEL)
    ] = "127.0.0.1",
    verbose: Annotated[bool, typer.Option("--verbose", "-v", help="Log what the consumer does.")] = False,
) -> None:
    """Read a Kafka topic into the lake, batch by batch, until stopped.

    Offsets are kept in the lake, in the commits that write the lines: stop it, kill it, start several of them; no line
    is lost and none is doubled. Stop it with Ctrl-C or SIGTERM; the batch in hand is finished first.

    For example: segmentation stream app --until-empty
    """
    logging.basicConfig(
        level=logging.INFO if verbose else logging.WARNING, format="%(asctime)s %(levelname)s %(message)s"
    )
    settings = load_settings()
    source = _source(settings, name)
    require_allowed(settings, source)
    stop = Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())
    _run(settings, source, stop, until_empty, skip_lost, metrics_port, metrics_host)


def _run(
    settings: Settings,
    source: KafkaSource,
    stop: Event,
    until_empty: bool,
    skip_lost: bool,
    metrics_port: int | None,
    metrics_host: str,
) -> None:
    # Other commands shall not wait for these, nor need them.
    try:
        from prometheus_client import CollectorRegistry, start_http_server

        from segmentation.streaming.consumer import StreamConsumer
        from segmentation.streaming.messages import decoder
        from segmentation.streaming.metrics import StreamMetrics
    except ModuleNotFoundError as error:
        raise SourceError(f"Streams need the packages of the extra `stream` ({error}).") from error
    from segmentation.warehouse import Lake
    from segmentation.warehouse.schema import migrate

    registry = CollectorRegistry()
    metrics = StreamMetrics(source.name, registry)
    console, reporter = make_console(stderr=True), BatchReporter()
    if metrics_port is not None:
        server, thread = start_http_server(metrics_port, metrics_host, registry)
        console.print(f"Metrics: http://{metrics_host}:{server.server_port}/metrics", highlight=False)
    # Batches are small: sharing them among threads costs a quarter more of CPU, and time.
    lake = Lake(settings.model_copy(update={"threads": settings.threads or 1}), inline_rows=INLINE_ROWS)
    migrate(lake)
    consumer = StreamConsumer(
        source, lake, decoder(source), metrics, stop, skip_lost=skip_lost, on_batch=reporter.batch
    )
    console.print(f"Reading {source.topic} from {source.servers} as the source {source.name}", markup=False)
    try:
        consumer.run(until_empty=until_empty)
    finally:
        consumer.close()
        if metrics_port is not None:
            server.shutdown()
            thread.join()
    console.print(reporter.summary(), highlight=False)


class BatchReporter:
    """Tells a terminal, every few seconds, what has been landed."""

    def __init__(self) -> None:
        self._lines = dict.fromkeys(("new", "replaced", "repeated", "rejected"), 0)
        self._told_at, self._told_lines = time.monotonic(), 0

    def batch(self, receipt: Receipt, took_s: float) -> None:
        """Take note of a batch."""
        self._lines["new"] += receipt.lines_new
        self._lines["replaced"] += receipt.lines_replaced
        self._lines["repeated"] += receipt.lines_repeated
        self._lines["rejected"] += receipt.lines_rejected
        since, total = time.monotonic() - self._told_at, sum(self._lines.values())
        if since >= TOLD_EVERY_S and sys.stderr.isatty():
            rate = (total - self._told_lines) / since
            make_console(stderr=True).print(f"{self.summary()}, {rate:,.0f} lines/s, last batch {took_s:.2f} s")
            self._told_at, self._told_lines = time.monotonic(), total

    def summary(self) -> str:
        """All lines so far, by what became of them."""
        return ", ".join(f"{lines:,} {outcome}" for outcome, lines in self._lines.items())


def _source(settings: Settings, name: str | None) -> KafkaSource:
    if name is None:
        topics = [each for each in declared_sources(settings).values() if isinstance(each, KafkaSource)]
        if len(topics) != 1:
            known = f"it declares {', '.join(each.name for each in topics)}; name one" if topics else "it declares none"
            raise SourceError(
                f"Which topic? {settings.sources} (SEGMENTATION_SOURCES) should say: {known}. For example:\n\n"
                f"{EXAMPLE_OF['kafka']}"
            )
        return topics[0]
    return declared_source(settings, name, KafkaSource)
