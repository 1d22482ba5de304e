"""The application: routes, the champion that they answer from, and the lake that they read. Wiring only."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from litestar import Litestar
from litestar.di import Provide

from segmentation.settings import Settings
from serving.champion import ChampionFollower
from serving.openapi import openapi_config
from serving.problems import EXCEPTION_HANDLERS
from serving.reader import LakeReader
from serving.routes.customers import customer
from serving.routes.documentation import asset, home
from serving.routes.health import live, ready
from serving.routes.models import current_model
from serving.routes.score import score_customers
from serving.routes.segments import segments


def create_app(settings: Settings) -> Litestar:
    """The scorer for an installation. Starts without a lake or a model, and is not ready until there is one."""
    reader = LakeReader(settings)
    follower = ChampionFollower(reader, settings.model_poll_s)

    @asynccontextmanager
    async def lifespan(_: Litestar) -> AsyncIterator[None]:
        try:
            async with follower.following():
                yield
        finally:
            reader.close()

    return Litestar(
        route_handlers=[home, asset, live, ready, score_customers, customer, segments, current_model],
        dependencies={
            "reader": Provide(lambda: reader, sync_to_thread=False),
            "follower": Provide(lambda: follower, sync_to_thread=False),
        },
        lifespan=[lifespan],
        exception_handlers=EXCEPTION_HANDLERS,
        openapi_config=openapi_config(),
        request_max_body_size=settings.max_body_bytes,
        logging_config=None,
    )
