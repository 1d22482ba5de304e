"""The documentation page's own files, and the way to it. The page itself is `serving.routes.openapi`."""

from typing import Annotated

from litestar import get
from litestar.exceptions import NotFoundException
from litestar.params import PathParameter
from litestar.response import File, Redirect

from serving.middleware.auth import public
from serving.routes.openapi import ASSETS, ASSETS_PATH, DOCS_PATH


@get("/", include_in_schema=False, **public())
async def home() -> Redirect:
    """Lead whoever opens the address in a browser to the documentation."""
    return Redirect(DOCS_PATH)


@get(f"{ASSETS_PATH}/{{name:str}}", include_in_schema=False, **public())
async def asset(name: Annotated[str, PathParameter(description="File name.")]) -> File:
    """Serve one of the page's files, and no other file of the package."""
    if name not in ASSETS:
        raise NotFoundException
    headers = {"cache-control": "public, max-age=86400"}
    return File(ASSETS[name], filename=name, content_disposition_type="inline", headers=headers)
