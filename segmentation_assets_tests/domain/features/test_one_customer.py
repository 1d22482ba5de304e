from dataclasses import asdict
from datetime import date, datetime, timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from segmentation.errors import SegmentationError
from segmentation.features.one_customer import compute_features
from segmentation.features.windows import window_of
from segmentation.metadata.features import BY_NAME, FEATURES
from segmentation_assets_tests.domain.features.reference import differences, features_of
from segmentation_assets_tests.domain.features.strategies import AS_OF, MIDNIGHT, order_lines
from segmentation_assets_tests.testing.lines import Line

WINDOW = window_of(AS_OF, None)


@given(lines=st.lists(order_lines(), max_size=30), lookback_days=st.sampled_from([30, 365, 1000]))
@hypothesis_settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture]
)
def test_features_in_memory_are_what_the_definitions_say(lines: list[Line], lookback_days: int) -> None:
    expected = features_of(lines, MIDNIGHT, lookback_days)
    market = _home_market(lines, lookback_days)
    found = compute_features([asdict(li) for li in lines], window_of(AS_OF, lookback_days), market)
    assert found.keys() == expected.keys()
    assert {c: d for c in found if (d := differences(found[c], expected[c]))} == {}
    assert [(c, name) for c in found for name, value in found[c].items() if not _is_possible(name, value)] == []


def _is_possible(name: str, value: object) -> bool:
    """Whether the catalogue's bounds hold; a share may be rounded beyond them."""
    feature = BY_NAME[name]
    slack = 1e-9 if feature.unit == "share" else 0
    if not isinstance(value, int | float):
        return value is None or isinstance(value, str)
    is_above = feature.minimum is None or value >= feature.minimum - slack
    return is_above and (feature.maximum is None or value <= feature.maximum + slack)


def test_every_feature_that_does_not_compare_customers_is_there() -> None:
    found = compute_features([_line()], WINDOW)
    assert set(found["c"]) == {feature.name for feature in FEATURES if not feature.compares_customers}


def test_nothing_of_an_earlier_call_remains() -> None:
    compute_features([_line(customer_id="earlier", amount=99.0)], WINDOW)
    assert compute_features([_line()], WINDOW)["c"]["gross_revenue"] == 10.0
    assert compute_features([], WINDOW) == {}
    assert compute_features([_line()], window_of(date(2020, 1, 1), None)) == {}


def test_optional_columns_may_be_missing() -> None:
    line = {k: v for k, v in _line().items() if k not in ("category", "discount", "country", "channel")}
    found = compute_features([line], WINDOW)["c"]
    assert (found["discount_share"], found["top_category"], found["distinct_channels"]) == (0.0, None, 0)


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ({"customer_id": "c"}, "Transaction 1 has no order_id, product_id, quantity, amount, ordered_at"),
        ({"amount": "a lot"}, "does not fit"),
        ({"amount": 1e300}, "does not fit"),
        ({"ordered_at": "yesterday"}, "does not fit"),
    ],
)
def test_what_does_not_fit_is_refused(line: dict[str, Any], message: str) -> None:
    with pytest.raises(SegmentationError, match=message):
        compute_features([line if len(line) == 1 and "customer_id" in line else _line(**line)], WINDOW)
    assert compute_features([_line()], WINDOW)["c"]["order_count"] == 1


def _home_market(lines: list[Line], lookback_days: int) -> str | None:
    start = MIDNIGHT - timedelta(days=lookback_days)
    known = sorted(line.country for line in lines if line.country and start <= line.ordered_at < MIDNIGHT)
    return max(known, key=known.count, default=None)


def _line(**changes: Any) -> dict[str, Any]:
    return asdict(Line("c", "o", "p", datetime(2024, 1, 1))) | changes
