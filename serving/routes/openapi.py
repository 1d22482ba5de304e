"""The API's own description: the OpenAPI document and a documentation page that works offline.

The page is Swagger UI, from the wheel `swagger-ui-bundle-v2` (its files are those of npm's `swagger-ui-dist`, byte for
byte), so nothing is fetched from elsewhere when it is opened.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args

import msgspec
from litestar import Response, Router
from litestar.exceptions import NotFoundException
from litestar.openapi import OpenAPIConfig
from litestar.openapi.plugins import SwaggerRenderPlugin
from litestar.openapi.spec import (
    Components,
    Example,
    OpenAPIMediaType,
    OpenAPIType,
    Operation,
    Reference,
    RequestBody,
    Schema,
    SecurityScheme,
)
from litestar.plugins import OpenAPISchemaPlugin

import segmentation
from segmentation.metadata.features import modelled
from serving.api.contract import (
    DecisionRequest,
    Include,
    PushRequest,
    ScoreRequest,
    SnapshotRequestBody,
    TransactionsRequest,
    WhatIfRequest,
)
from serving.middleware.auth import ACCESS, PUBLIC

if TYPE_CHECKING:
    from litestar._openapi.schema_generation import SchemaCreator
    from litestar.typing import FieldDefinition

DOCS_PATH = "/schema"
ASSETS_PATH = f"{DOCS_PATH}/assets"
ASSET_NAMES = ("swagger-ui-bundle.js", "swagger-ui-standalone-preset.js", "swagger-ui.css")

INCLUDE_COMPONENT = "Part"
"""What the document calls `Include`; generated clients know it by that name."""

PAGE_POLICY = (
    "default-src 'none'; script-src 'self' 'unsafe-inline'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; "
    "connect-src 'self'; frame-ancestors 'none'"
)
"""What the documentation page may load: its own files, and the API."""

DESCRIPTION = """
Segments of a shop's customers, from the model that is champion at the moment.

Every request but those about health needs a key (`Authorization: Bearer …` or `X-API-Key: …`) or, where the scorer is
set up for it, a JSON Web Token, each with the scope that the operation needs.

Errors are `application/problem+json` (RFC 9457), and every answer has an `X-Request-ID`, which the log has too. A
feature of the catalogue that the model doesn't use is accepted and ignored; `GET /v1/models/current` says which ones
the model needs.
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
    "segment_name": "Mid value · frequent",
    "distance": 1.98,
    "runner_up_id": 1,
    "runner_up_name": "High value · frequent",
    "confidence": 0.37,
    "is_low_confidence": False,
}

EXAMPLE_LINE = {
    "customer_id": "C-1042",
    "order_id": "O-77",
    "ordered_at": "2026-03-14T10:30:00Z",
    "product_id": "P-9",
    "category": "Toys",
    "quantity": 2,
    "amount": 19.9,
}

EXAMPLE_BODIES: dict[type, object] = {
    ScoreRequest: {"customers": [EXAMPLE_CUSTOMER]},
    TransactionsRequest: {"transactions": [EXAMPLE_LINE], "as_of": "2026-04-01"},
    PushRequest: {"transactions": [{"line_id": "O-77/1", **EXAMPLE_LINE, "unit_price": 9.95}]},
    WhatIfRequest: {"orders": [{"items": [{"product_id": "P-9", "quantity": 2, "amount": 19.9}]}]},
    DecisionRequest: {"reason": "agreed with marketing"},
    SnapshotRequestBody: {"as_of": "2026-03-15"},
}

SCORE_EXAMPLES = [Example(summary="One score", value={"model_version": 3, "results": [EXAMPLE_SCORE]})]

KEYS: dict[str, SecurityScheme | Reference] = {
    "key": SecurityScheme(type="http", scheme="bearer", description="A key, or a JSON Web Token."),
    "keyHeader": SecurityScheme(type="apiKey", name="X-API-Key", security_scheme_in="header", description="A key."),
}


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
        components=Components(security_schemes=KEYS),
        openapi_router=Router(
            DOCS_PATH,
            route_handlers=[],
            include_in_schema=False,
            after_request=_refuse_html_404,
            opt={ACCESS: PUBLIC},
            response_headers={"content-security-policy": PAGE_POLICY},
        ),
    )


class IncludeSchema(OpenAPISchemaPlugin):
    """Describes `Include` once, as a component; Litestar would repeat a `Literal` wherever it is used."""

    @staticmethod
    def is_plugin_supported_type(value: Any) -> bool:
        """Whether it is `Include`."""
        return bool(value == Include)

    def to_openapi_schema(self, field_definition: "FieldDefinition", schema_creator: "SchemaCreator") -> Any:
        """A reference to the component."""
        components = schema_creator.schema_registry
        schema = components.get_schema_for_field_definition(field_definition)
        schema.type, schema.enum = OpenAPIType.STRING, list(get_args(Include))
        schema.title, schema.description = INCLUDE_COMPONENT, "What an answer about a customer holds."
        return components.get_reference_for_field_definition(field_definition) or schema


@dataclass
class JsonSchema(Schema):
    """A JSON schema as it is, rather than as Litestar's fields."""

    document: dict[str, Any] = field(default_factory=dict)

    def to_schema(self) -> dict[str, Any]:
        """The schema itself."""
        return self.document


def body_of(body: type, *others: tuple[str, OpenAPIMediaType]) -> type[Operation]:
    """The class of an operation whose body Litestar doesn't parse, and therefore can't describe.

    Args:
        body: What the body is, as JSON.
        others: Further media types that it may have, with their schemas.
    """

    @dataclass
    class OperationWithBody(Operation):
        def __post_init__(self) -> None:
            example = Example(summary="Example", value=EXAMPLE_BODIES[body])
            content = {"application/json": OpenAPIMediaType(schema=_schema(body), examples={"one": example})}
            self.request_body = RequestBody(content={**content, **dict(others)}, required=True)

    return OperationWithBody


def _schema(body: type) -> JsonSchema:
    (schema,), components = msgspec.json.schema_components([body], ref_template="{name}")
    return JsonSchema(document=_resolved(schema, components))


def _resolved(schema: Any, components: Mapping[str, Any]) -> Any:
    """The schema with its references replaced by what they refer to: Litestar keeps the components to itself."""
    match schema:
        case {"$ref": name, **rest}:
            return {**_resolved(components[name], components), **rest}
        case dict():
            return {key: _resolved(value, components) for key, value in schema.items()}
        case list():
            return [_resolved(value, components) for value in schema]
        case float():
            return round(schema, 6) + 0.0  # bounds as the catalogue says them, without `ROUNDING`, and no -0.0
        case _:
            return schema


async def _refuse_html_404(response: Response[bytes]) -> Response[bytes]:
    """Litestar answers unknown paths below the page with HTML of its own."""
    if response.status_code == NotFoundException.status_code:
        raise NotFoundException
    return response
