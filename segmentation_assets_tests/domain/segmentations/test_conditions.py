import duckdb
import pytest

from segmentation.metadata.features import FEATURES
from segmentation.segmentations.conditions import problem_of_condition


@pytest.fixture
def con() -> duckdb.DuckDBPyConnection:
    return duckdb.connect()


@pytest.mark.parametrize("feature", FEATURES, ids=lambda feature: feature.name)
def test_every_feature_can_be_looked_at(con: duckdb.DuckDBPyConnection, feature: object) -> None:
    assert problem_of_condition(con, f"{feature.name} IS NOT NULL") is None  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    "condition",
    [
        "net_revenue > 500 AND discount_share > 0.3",
        "rfm_segment IN ('Champions', 'Loyal customers')",
        "segment_name = 'Regulars' AND confidence > 0.5",
        "customer_id = 'C''1'",
        "date_diff('day', DATE '2020-01-01', as_of) > 3",
        "NET_REVENUE > 1",
        "true -- everybody",
        "list_contains(list_transform([1, 2], lambda n: n + order_count), 3)",
    ],
)
def test_what_is_true_or_false_of_a_customer_is_taken(con: duckdb.DuckDBPyConnection, condition: str) -> None:
    assert problem_of_condition(con, condition) is None


@pytest.mark.parametrize(
    ("condition", "told"),
    [
        ("", "no SQL"),
        ("net_revenue >", "syntax error"),
        ("net_revenue", "gives DOUBLE, not true or false"),
        ("net_revenu > 1", "did you mean net_revenue"),
        ('rfm_segment = "Champions"', "a text is 'Champions'"),
        ("features.net_revenue > 1", "write the column alone: net_revenue"),
        ("net_revenue > 1 AS rich", "one condition"),
        ("true LIMIT 1", "one condition"),
        ("true UNION SELECT true", "one condition"),
        ("true GROUP BY 1", "can't be asked"),
        ("(SELECT true)", "a subquery"),
        ("EXISTS (FROM access.api_keys)", "a subquery"),
        ("row_number() OVER () > 1", "a window function"),
        ("sum(net_revenue) > 1", "looks at several rows"),
        ("unnest([true])", "looks at several rows"),
        ("net_revenue > $limit", "a parameter"),
        ("*", "a star"),
        ("random() < 0.5", "another value each time"),
        ("now() > as_of", "compare with as_of"),
        ("current_date > as_of", "no column 'current_date'"),
        ("read_text('/etc/passwd') = ''", "reads files"),
        ("getenv('HOME') = ''", "refused"),
        ("segmentation_name = 'model'", "no column 'segmentation_name'"),
        ("true); DROP TABLE registry.models; SELECT (true", "no SQL"),
        ("true; DROP TABLE registry.models", "no SQL"),
        ("true) THEN 9 WHEN (true", "no SQL"),
        ("true /* ", "no SQL"),
        ("true\0", "NUL"),
        ("(" * 5000 + "true" + ")" * 5000, ""),
        ("net_revenue > 1 AND " * 1000 + "true", "10,000"),
    ],
)
def test_what_is_not_says_why(con: duckdb.DuckDBPyConnection, condition: str, told: str) -> None:
    problem = problem_of_condition(con, condition)
    assert problem is not None
    assert told in problem
