"""The application: routes, what they answer from, and the layers around them. Wiring only."""

import multiprocessing
import os
import signal
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from threading import Thread
from typing import TYPE_CHECKING

from anyio import to_thread
from litestar import Litestar
from litestar.config.cors import CORSConfig
from litestar.di import Provide

from segmentation.clock import Clock, utc_now
from segmentation.settings import Settings, load_settings
from segmentation.tracing.otlp import wants_traces
from serving.api.problems import EXCEPTION_HANDLERS
from serving.live.champion import LiveChampion
from serving.live.reader import LakeReader
from serving.live.values import Poller, polling
from serving.metrics import Metrics
from serving.middleware.auth import Authenticator, AuthMiddleware, LiveKeyring
from serving.middleware.deadline import Deadline
from serving.middleware.fast_path import FastPath
from serving.middleware.requests import RequestMiddleware
from serving.middleware.tokens import TokenIssuer
from serving.routes.customers import customer, what_if
from serving.routes.documentation import asset, home
from serving.routes.health import live, metrics, ready
from serving.routes.models import model, models, promote, roll_back
from serving.routes.openapi import IncludeSchema, openapi_config
from serving.routes.score import score_customers, score_transactions
from serving.routes.segments import segment, segment_customers, segments, transitions
from serving.routes.snapshots import request_snapshot, snapshot, snapshot_methods, snapshots
from serving.routes.transactions import push_transactions
from serving.sampled_logs import tell_left_out
from serving.services.customer_queries import NewestSnapshot
from serving.services.customers import CustomerService
from serving.services.predictions import LivePredictions
from serving.services.promotion import Promoter
from serving.services.pushing import Pusher
from serving.services.scoring import Scorer
from serving.services.snapshots import SnapshotService
from serving.services.transaction_scoring import LineScorer, LiveWindows

if TYPE_CHECKING:
    from serving.middleware.tracing import Traces

PARENT_POLL_S = 1.0

ROUTES = [
    home,
    asset,
    live,
    ready,
    metrics,
    score_customers,
    score_transactions,
    push_transactions,
    customer,
    what_if,
    segments,
    segment,
    segment_customers,
    transitions,
    snapshot_methods,
    snapshots,
    snapshot,
    request_snapshot,
    models,
    model,
    promote,
    roll_back,
]


def create_app(settings: Settings, now: Clock = utc_now) -> Litestar:
    """The scorer for an installation. Starts without a lake or a model, and is not ready until there is one.

    Args:
        settings: Of the installation.
        now: Tells the time.
    """
    scorer_metrics = Metrics()
    traces = _traces()
    reader = traces.reader(settings) if traces else LakeReader(settings)
    champion, keyring, windows = LiveChampion(settings), LiveKeyring(settings), LiveWindows(settings)
    newest, predictions = NewestSnapshot(settings), LivePredictions()
    scorer = traces.scorer(scorer_metrics, settings.max_rows) if traces else Scorer(scorer_metrics, settings.max_rows)
    pusher = Pusher(settings, now)
    lines = LineScorer(windows, scorer_metrics, settings, now)

    live_values = (champion, keyring, windows, newest, predictions)

    def update_gauges() -> None:
        scorer_metrics.model_version.set(champion.value.model.version if champion.value else 0)
        scorer_metrics.in_flight.set(request_middleware.in_flight)
        scorer_metrics.is_stale.set(any(each.is_stale for each in live_values))
        scorer_metrics.is_ready.set(champion.value is not None)

    @asynccontextmanager
    async def lifespan(_: Litestar) -> AsyncIterator[None]:
        try:
            async with polling(Poller(live_values, reader), settings.model_poll_s, update_gauges):
                yield
        finally:
            await to_thread.run_sync(pusher.close)
            reader.close()
            lines.close()
            if traces:
                await to_thread.run_sync(traces.close)
            tell_left_out(all_windows=True)

    provided = {
        "live": champion,
        "lines": lines,
        "customers": CustomerService(lines, newest, predictions, settings),
        "ledger": SnapshotService(settings, now, reader),
        "metrics": scorer_metrics,
        "predictions": predictions,
        "promoter": Promoter(settings),
        "pusher": pusher,
        "reader": reader,
        "scorer": scorer,
        "settings": settings,
    }
    tokens = TokenIssuer(settings) if settings.jwt_issuer else None
    authenticator = Authenticator(keyring, tokens, now) if settings.auth == "required" else None
    origins = [origin.strip() for origin in settings.cors_origins.split(",") if origin.strip()]
    app = Litestar(
        route_handlers=ROUTES,
        middleware=[
            lambda app: AuthMiddleware(app, authenticator),
            lambda app: Deadline(app, settings.request_timeout_s),
        ],
        dependencies={name: _provide(each) for name, each in provided.items()},
        lifespan=[lifespan],
        exception_handlers=EXCEPTION_HANDLERS,
        openapi_config=openapi_config(),
        plugins=[IncludeSchema()],
        cors_config=CORSConfig(allow_origins=origins) if origins else None,
        request_max_body_size=max(settings.max_body_bytes, settings.max_arrow_bytes),
        logging_config=None,
    )
    fast_path = FastPath(app.asgi_handler, settings, authenticator, champion, scorer)
    app.asgi_handler = request_middleware = RequestMiddleware(fast_path, settings, scorer_metrics)
    if traces:
        app.asgi_handler = traces.app(request_middleware)
    return app


def _traces() -> "Traces | None":
    """What makes spans, where OTEL_EXPORTER_OTLP_ENDPOINT says that they are wanted; OpenTelemetry is optional."""
    if not wants_traces():
        return None
    from serving.middleware.tracing import Traces

    return Traces()


def _provide(each: object) -> Provide:
    return Provide(lambda: each, sync_to_thread=False)


def create_app_from_environment() -> Litestar:
    """The scorer with the settings of the environment, for worker processes."""
    if multiprocessing.parent_process() is not None:
        _end_with_parent()
    return create_app(load_settings())


def _end_with_parent() -> None:
    """A worker whose command was killed would go on answering, with nobody to stop or replace it."""
    parent = os.getppid()

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(PARENT_POLL_S)
        os.kill(os.getpid(), signal.SIGTERM)

    Thread(target=watch, daemon=True).start()
