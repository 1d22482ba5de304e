"""A small shop in a lake, with two models to serve: what the scorer's tests ask about, and how they wait."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any
from urllib.parse import quote

import duckdb
import httpx
import numpy as np

from segmentation.access.keys import Scope
from segmentation.clock import utc_now
from segmentation.features.windows import window_of
from segmentation.metadata.features import FEATURES
from segmentation.metadata.tables.features import CUSTOMER_FEATURES
from segmentation.modeling import registry, training, training_data
from segmentation.modeling.artefact import Artefact, Floats
from segmentation.modeling.registry import ModelVersion
from segmentation.segments.assignment import write_segments
from segmentation.segments.profiles import write_profiles
from segmentation.settings import Settings
from segmentation.snapshots.code import code_version_of
from segmentation.warehouse import Commit, Lake
from segmentation.warehouse.changed_days import note_changes
from segmentation.warehouse.lake import next_version
from segmentation.warehouse.ledger import MadeOf, record

MAY, JUNE, JULY = date(2024, 5, 1), date(2024, 6, 1), date(2024, 7, 1)
ODD_IDS = ["ÅSE 12/3", "a//b/", "50%", "x?y=1#z", "日本", "what-if", " ", "a\\b'c\"d;--"]
ESCAPED_ID = "%2F"
"""Litestar's test client decodes paths twice, so only a real connection can ask for this one."""

KEY = "seg_0123456789ab_a-secret-of-tests"
"""A key with all scopes, in every shop."""

CREDENTIALS = {"authorization": f"Bearer {KEY}"}

LAPSED, GONE = "C-299", "nobody"
PATIENCE_S = 30

CUSTOMERS = """
INSERT INTO features.customer_features BY NAME
WITH drawn AS (
    SELECT
        i,
        COALESCE(list_extract($odd_ids, i + 1), 'C-' || i) AS customer_id,
        hash(i) % 1000 / 1000.0 AS u,
        hash(i * 7919 + 1) % 1000 / 1000.0 AS v,
        hash(i * 104729 + 2) % 1000 / 1000.0 AS w
    FROM range($first, $last) AS numbers(i)
)
SELECT
    $as_of AS as_of,
    customer_id,
    1 + 300 * u * u AS recency_days,
    CAST(1 + floor(12 * v * v) AS BIGINT) AS order_count,
    CAST(1 + floor(12 * v * v) AS BIGINT) * (5 + 200 * w * w) AS net_revenue,
    5 + 200 * w * w AS average_order_value,
    CAST(floor(4 * v * v * (1 - u)) AS BIGINT) AS orders_90d,
    CAST(floor(4 * v * v * (1 - u)) AS BIGINT) * (5 + 200 * w * w) AS revenue_90d,
    CAST(1 + floor(40 * v * w) AS BIGINT) AS distinct_products,
    1 + 300 * u * u + 60 * v AS tenure_days,
    CAST(1 + floor(8 * v * v) AS BIGINT) AS active_months,
    1 + 5 * w AS average_basket_units,
    CASE WHEN i % 11 = 0 THEN NULL ELSE 2 * w END AS category_entropy,
    CASE WHEN i % 13 = 0 THEN NULL ELSE 0.2 * u * v END AS return_rate,
    CASE WHEN i % 17 = 0 THEN NULL ELSE 0.3 * v * w END AS discount_share,
    v < 0.28 AS is_one_time_buyer,
    'Loyal' AS rfm_segment,
    CASE WHEN i % 11 = 0 THEN NULL ELSE 'Toys' END AS top_category
FROM drawn
"""


@dataclass(frozen=True)
class ScoredCustomer:
    """A customer of a snapshot as the warehouse has them: features by name, and the row of their segment."""

    customer_id: str
    features: Mapping[str, Any]
    segment: Mapping[str, Any]


def open_shop(settings: Settings) -> None:
    """Fill a migrated lake: two snapshots, version 1 as champion, version 2 in waiting.

    Everybody is in the July snapshot but `LAPSED`, who was last seen in June.
    """
    with Lake(settings) as lake:
        add_key(lake, KEY, *Scope)
        reach(lake, JULY)
        _add_customers(lake, JUNE, 150, 300)
        _add_customers(lake, JULY, 0, 299)
        for segments in (4, 5):
            _train(
                lake,
                settings.model_copy(update={"min_segments": segments, "max_segments": segments, "search_trials": 2}),
            )
        promote(settings, 1)
        for as_of in (JUNE, JULY):
            write_segments(lake, as_of, Commit("segments"))
            write_profiles(lake, as_of, Commit("profiles"))


def reach(lake: Lake, as_of: date, change: int = 1) -> None:
    """Let the data reach a date, or no more with a change of -1: days alone, since these customers need no lines."""
    changes = (
        f"SELECT 'shop' AS source, DATE '{as_of - timedelta(days=1)}' AS ordered_on, {change} AS line_count_change"
    )
    with lake.cursor() as con:
        lake.transaction(con, Commit("days"), lambda c: note_changes(c, changes, version=next_version(c)))


def add_key(lake: Lake, text: str, *scopes: Scope, expires_at: datetime | None = None) -> None:
    """Put a key of a known text into the lake."""
    _, key_id, secret = text.split("_")
    digest = hashlib.sha256(f"salt{secret}".encode()).hexdigest()
    values = [key_id, f"test {key_id}", " ".join(scopes), "salt", digest, datetime(2024, 1, 1), expires_at]
    statement = "INSERT INTO access.api_keys VALUES (?, ?, ?, ?, ?, ?, ?, NULL)"
    with lake.cursor() as con:
        lake.transaction(con, Commit("key"), lambda c: c.execute(statement, values))


def promote(settings: Settings, version: int) -> None:
    """Make a version the champion, as another process would."""
    with Lake(settings) as lake:
        promote_on(lake, version)


def promote_on(lake: Lake, version: int) -> None:
    """The same, with a lake that is open."""
    registry.promote(
        lake, version, alias="champion", actor="test", reason="test", commit=Commit("promote"), now=utc_now()
    )


def register(settings: Settings, artefact: Artefact) -> int:
    """Add a version to the registry."""
    with Lake(settings) as lake:
        version = registry.register(lake, artefact, {"inertia": 1.0}, Commit("register"), now=utc_now())
    assert version is not None
    return version


def change(settings: Settings, statement: str) -> None:
    """Tamper with the lake."""
    with Lake(settings) as lake, lake.cursor() as con:
        lake.transaction(con, Commit("tamper"), lambda c: c.execute(statement))


def load_models(settings: Settings) -> dict[int, ModelVersion]:
    """All versions by number."""
    with Lake(settings, read_only=True) as lake, lake.cursor() as con:
        return {model.version: model for model in registry.list_models(con)}


def scored_customers(settings: Settings, as_of: date) -> list[ScoredCustomer]:
    """Every customer of a snapshot."""
    names = [feature.name for feature in FEATURES]
    with Lake(settings, read_only=True) as lake, lake.cursor() as con:
        by_date = {"as_of": as_of}
        query = "FROM {} WHERE as_of = $as_of ORDER BY customer_id"
        features = con.execute(query.format("features.customer_features"), by_date).pl()
        segments = con.execute(query.format("segments.customer_segments"), by_date).pl()
    return [
        ScoredCustomer(segment["customer_id"], {name: feature[name] for name in names}, segment)
        for feature, segment in zip(features.to_dicts(), segments.to_dicts(), strict=True)
    ]


def matrix(customers: list[ScoredCustomer], artefact: Artefact) -> Floats:
    """The features that an artefact needs, one row per customer."""
    rows = [[customer.features[name] for name in artefact.feature_names] for customer in customers]
    return np.array(rows, dtype=np.float64)


def request(customers: list[ScoredCustomer]) -> dict[str, Any]:
    """The body of `POST /v1/score` for customers of the warehouse, missing features left out."""
    return {
        "customers": [
            {
                "customer_id": customer.customer_id,
                "features": {name: value for name, value in customer.features.items() if value is not None},
            }
            for customer in customers
        ]
    }


def customer_path(customer_id: str) -> str:
    """Where a customer is found."""
    return f"/v1/customers/{quote(customer_id, safe='')}"


def problem(response: httpx.Response) -> dict[str, Any]:
    """The problem that a response tells, after checking that it is one (RFC 9457)."""
    assert response.headers["content-type"] == "application/problem+json"
    told: dict[str, Any] = response.json()
    assert set(told) == {"type", "title", "status", "detail", "instance"}
    assert told["status"] == response.status_code
    assert told["title"]
    assert told["detail"]
    return told


def _add_customers(lake: Lake, as_of: date, first: int, last: int) -> None:
    values = {"odd_ids": [*ODD_IDS, ESCAPED_ID], "as_of": as_of, "first": first, "last": last}
    start = window_of(as_of, lake.settings.lookback_days).start
    made_of = MadeOf(lake.version(), code_version_of(CUSTOMER_FEATURES), window_start=start)

    def write(con: duckdb.DuckDBPyConnection) -> None:
        con.execute(CUSTOMERS, values)
        record(con, [CUSTOMER_FEATURES], as_of, made_of, Commit("features"), lake.clock())

    with lake.cursor() as con:
        lake.transaction(con, Commit("features"), write)


def _train(lake: Lake, settings: Settings) -> None:
    training_set = training_data.make_training_set(lake, JULY, Commit("training set"), now=datetime(2024, 7, 1))
    trained = training.train(lake, training_set, settings)
    assert registry.register(
        lake, trained.artefact, trained.metrics, Commit("candidate"), trained.lineage, now=utc_now()
    )
