"""The API's own description: the OpenAPI document and a documentation page that works offline.

The page is Swagger UI, from the wheel `swagger-ui-bundle-v2` (its files are those of npm's `swagger-ui-dist`, byte for
byte), so nothing is fetched from elsewhere when it is opened.
"""

from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path

from litestar import Response, Router
from litestar.exceptions import NotFoundException
from litestar.openapi import OpenAPIConfig
from litestar.openapi.plugins import SwaggerRenderPlugin
from litestar.openapi.spec import Example, OpenAPIMediaType, OpenAPIType, Operation, RequestBody, Schema

import segmentation
from segmentation.features.catalogue import FEATURES, Feature, modelled
from serving.contract import described

DOCS_PATH = "/schema"
ASSETS_PATH = f"{DOCS_PATH}/assets"
ASSET_NAMES = ("swagger-ui-bundle.js", "swagger-ui-standalone-preset.js", "swagger-ui.css")

JSON_TYPES = {
    "DOUBLE": OpenAPIType.NUMBER,
    "BIGINT": OpenAPIType.NUMBER,
    "BOOLEAN": OpenAPIType.BOOLEAN,
    "VARCHAR": OpenAPIType.STRING,
}

DESCRIPTION = """
Segments of a shop's customers, from the model that is champion at the moment.

Errors are `application/problem+json` (RFC 9457). A feature of the catalogue that the model doesn't use is accepted and
ignored; `GET /v1/models/current` says which features the model needs.
"""

EXAMPLE_VALUES = {"days": 12.5, "orders": 1, "money": 90.3, "products": 3, "nats": 0.69, "share": 0.25, "ratio": 0.1}
"""By unit: a customer who once bought three products."""

EXAMPLE_CUSTOMER = {
    "customer_id": "C-1042",
    "features": {feature.name: EXAMPLE_VALUES.get(feature.unit, 1) for feature in modelled()},
}

EXAMPLE_SCORE = {
    "customer_id": "C-1042",
    "segment_id": 2,
    "segment_name": "Regulars",
    "distance": 1.98,
    "runner_up_id": 1,
    "runner_up_name": "High-value regulars",
    "confidence": 0.37,
    "is_low_confidence": False,
}

EXAMPLE_REQUEST = Example(summary="One customer", value={"customers": [EXAMPLE_CUSTOMER]})
EXAMPLE_ANSWER = Example(summary="One score", value={"model_version": 3, "results": [EXAMPLE_SCORE]})


def _asset_paths() -> dict[str, Path]:
    (release,) = Path(str(files("swagger_ui_bundle") / "vendor")).glob("swagger-ui-*")
    return {name: release / name for name in ASSET_NAMES}


ASSETS = _asset_paths()
"""Where the page's files are, by the name that they are served under."""


def openapi_config() -> OpenAPIConfig:
    """What Litestar makes the document and the page from."""
    bundle, preset, style = (f"{ASSETS_PATH}/{name}" for name in ASSET_NAMES)
    page = SwaggerRenderPlugin(
        js_url=bundle,
        standalone_preset_js_url=preset,
        css_url=style,
        favicon="<link rel='icon' href='data:,'>",
        path="/",
    )
    return OpenAPIConfig(
        title="Customer segmentation",
        version=segmentation.__version__,
        description=DESCRIPTION,
        render_plugins=[page],
        openapi_router=Router(DOCS_PATH, route_handlers=[], include_in_schema=False, after_request=_refuse_html_404),
    )


def request_schema() -> Schema:
    """The body of `POST /v1/score`, with every feature of the catalogue."""
    features = Schema(
        type=OpenAPIType.OBJECT,
        properties={feature.name: _feature_schema(feature) for feature in FEATURES},
        additional_properties=False,
    )
    customer_id = Schema(
        type=[OpenAPIType.STRING, OpenAPIType.NULL], description="Comes back with the score; has no other meaning."
    )
    customer = Schema(
        type=OpenAPIType.OBJECT,
        properties={"customer_id": customer_id, "features": features},
        required=["features"],
        additional_properties=False,
    )
    return Schema(
        type=OpenAPIType.OBJECT,
        title="ScoreRequest",
        properties={"customers": Schema(type=OpenAPIType.ARRAY, items=customer, min_items=1)},
        required=["customers"],
        additional_properties=False,
    )


@dataclass
class ScoreOperation(Operation):
    """An operation whose body Litestar doesn't parse, and therefore can't describe."""

    def __post_init__(self) -> None:
        content = OpenAPIMediaType(schema=request_schema(), examples={"one": EXAMPLE_REQUEST})
        self.request_body = RequestBody(content={"application/json": content}, required=True)


def _feature_schema(feature: Feature) -> Schema:
    return Schema(type=[JSON_TYPES[feature.type], OpenAPIType.NULL], description=described(feature))


async def _refuse_html_404(response: Response[bytes]) -> Response[bytes]:
    """Litestar answers unknown paths below the page with HTML of its own."""
    if response.status_code == NotFoundException.status_code:
        raise NotFoundException
    return response
