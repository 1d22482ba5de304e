"""The OpenAPI document against a real scorer: what Schemathesis makes of every operation, with a key and without."""

from collections.abc import Callable, Iterator
from typing import Any

import msgspec
import pytest
import requests
import schemathesis
from hypothesis import HealthCheck, Phase
from hypothesis import settings as hypothesis_settings
from schemathesis.checks import CheckFunction, not_a_server_error
from schemathesis.config import SchemathesisConfig
from schemathesis.schemas import BaseSchema
from schemathesis.specs.openapi.checks import (
    allow_header_conformance,
    content_type_conformance,
    missing_required_header,
    negative_data_rejection,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
    unsupported_method,
)

from segmentation.settings import Settings
from segmentation_assets_tests.testing.running_scorer import RunningScorer, environment_of, running_scorer
from segmentation_assets_tests.testing.shop import CREDENTIALS, PATIENCE_S
from serving.api.bodies import MSGPACK
from serving.app import create_app
from serving.services import arrow

ADMIN = ["promote", "rollback"]
"""Each starts a process of several seconds where its request is a good one."""

CHECKS: list[CheckFunction] = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    negative_data_rejection,
    unsupported_method,
    allow_header_conformance,
    missing_required_header,
]
OneCase = Callable[[schemathesis.Case[Any], RunningScorer, requests.Session], None]

EXPECTED_REFUSALS = [400, 404, 405, 406, 413, 415]
"""What a request that doesn't fit the document may get: too many rows of a list are too large a body first."""

QUICK = hypothesis_settings(
    derandomize=True,
    database=None,
    deadline=None,
    phases=[Phase.explicit, Phase.generate],  # a failure is plain enough as it is, and shrinking it takes minutes
    suppress_health_check=list(HealthCheck),
)

schemathesis.serializer.alias([MSGPACK.media_type, arrow.MEDIA_TYPE], "application/octet-stream")


def _document(mode: str) -> BaseSchema:
    """The document, for requests that fit it (`positive`), that don't (`negative`), or both (`all`)."""
    config = {
        "generation": {"mode": mode, "deterministic": True, "with-security-parameters": False},
        "checks": {"negative_data_rejection": {"expected-statuses": EXPECTED_REFUSALS}},
    }
    document = msgspec.json.decode(msgspec.json.encode(create_app(Settings()).openapi_schema.to_schema()))
    return schemathesis.openapi.from_dict(document, config=SchemathesisConfig.from_dict(config))


everything, invalid_only = _document("all"), _document("negative")
OPERATIONS = [each["operationId"] for methods in everything.raw_schema["paths"].values() for each in methods.values()]


def _for_each_operation(document: BaseSchema, operations: list[str], max_examples: int) -> Callable[[OneCase], OneCase]:
    """Make a test per operation: those that Schemathesis makes all have one name, of which xdist runs only one."""

    def decorate(check: OneCase) -> OneCase:
        def test_of(operation: str) -> Any:
            @document.include(operation_id=operation).parametrize()
            @hypothesis_settings(QUICK, max_examples=max_examples)
            def test(case: schemathesis.Case[Any], scorer: RunningScorer, session: requests.Session) -> None:
                check(case, scorer, session)

            return test

        globals().update({f"test_{check.__name__}_{operation}": test_of(operation) for operation in operations})
        return check

    return decorate


@pytest.fixture(scope="module")
def scorer(shop_settings: Settings, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningScorer]:
    """A scorer in a process of its own; nothing that it is sent here may change the lake."""
    log = tmp_path_factory.mktemp("scorer") / "scorer.log"
    with running_scorer(environment_of(shop_settings), log) as running:
        yield running
    assert "Traceback" not in log.read_text()


@pytest.fixture(scope="module")
def session() -> Iterator[requests.Session]:
    """Connections that are kept."""
    with requests.Session() as opened:
        yield opened


@_for_each_operation(everything, [each for each in OPERATIONS if each not in ADMIN], max_examples=20)
def every_answer_is_as_documented(
    case: schemathesis.Case[Any], scorer: RunningScorer, session: requests.Session
) -> None:
    case.call_and_validate(
        base_url=scorer.address, session=session, headers=CREDENTIALS, timeout=PATIENCE_S, checks=CHECKS
    )


@_for_each_operation(invalid_only, ADMIN, max_examples=20)
def decisions_that_do_not_fit_the_document_are_refused(
    case: schemathesis.Case[Any], scorer: RunningScorer, session: requests.Session
) -> None:
    case.call_and_validate(
        base_url=scorer.address, session=session, headers=CREDENTIALS, timeout=PATIENCE_S, checks=CHECKS
    )


@_for_each_operation(everything, OPERATIONS, max_examples=10)
def without_a_key_only_what_is_public_answers(
    case: schemathesis.Case[Any], scorer: RunningScorer, session: requests.Session
) -> None:
    response = case.call(base_url=scorer.address, session=session, timeout=PATIENCE_S)
    if response.status_code == 401:
        assert response.headers["www-authenticate"] == ['Bearer realm="segmentation"']
        case.validate_response(response, checks=CHECKS, excluded_checks=[negative_data_rejection])
        return
    case.validate_response(response, checks=CHECKS)
    is_public = case.operation.definition.raw["security"] == [{}]
    is_other_method = case.method != case.operation.method.upper() and response.status_code in {204, 405}
    is_elsewhere = response.status_code == 404 and response.json()["type"] == "about:blank"
    assert is_public or is_other_method or is_elsewhere


def test_the_scorer_serves_the_very_document_that_is_tested(scorer: RunningScorer) -> None:
    with scorer.client() as client:
        assert client.get("/schema/openapi.json").json() == everything.raw_schema
