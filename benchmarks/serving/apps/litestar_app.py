"""Litestar doing nothing: what a scorer written with it can at best come near to."""

from litestar import Litestar, get, post
from litestar.status_codes import HTTP_200_OK


@get("/")
async def empty() -> None:
    """Answer."""


@post("/", status_code=HTTP_200_OK)
async def ignored() -> None:
    """Answer without a look at the body."""


app = Litestar([empty, ignored], openapi_config=None, logging_config=None)
