from functools import partial

import duckdb
import pytest

from segmentation.warehouse import Commit, Lake
from segmentation_assets_tests.assets.conftest import Graph
from segmentation_assets_tests.testing.statements import change

pytestmark = pytest.mark.takes(20)

ONE_LINE = "(SELECT line_id FROM raw.transactions ORDER BY line_id LIMIT 1)"
ONE_CUSTOMER = "(SELECT customer_id FROM features.rfm ORDER BY customer_id LIMIT 1)"

DAMAGE = {
    "a quantity of zero": (
        "raw/transactions",
        f"UPDATE raw.transactions SET quantity = 0 WHERE line_id = {ONE_LINE}",
        {"keeps_the_contract"},
    ),
    "an infinite amount": (
        "raw/transactions",
        f"UPDATE raw.transactions SET amount = 'inf' WHERE line_id = {ONE_LINE}",
        {"keeps_the_contract"},
    ),
    "a return with a positive amount": (
        "raw/transactions",
        "UPDATE raw.transactions SET amount = -amount WHERE quantity < 0",
        {"keeps_the_contract"},
    ),
    "a doubled line": (
        "raw/transactions",
        f"INSERT INTO raw.transactions SELECT * FROM raw.transactions WHERE line_id = {ONE_LINE}",
        {"line_ids_are_unique", "accepted_and_rejected_add_up"},
    ),
    "a lost line": (
        "raw/transactions",
        f"DELETE FROM raw.transactions WHERE line_id = {ONE_LINE}",
        {"accepted_and_rejected_add_up"},
    ),
    "a week without sales": (
        "raw/transactions",
        "DELETE FROM raw.transactions WHERE ordered_at BETWEEN '2024-06-03' AND '2024-06-20'",
        {"volume_is_usual", "accepted_and_rejected_add_up"},
    ),
    "a product that nobody knows": (
        "raw/products",
        "DELETE FROM raw.products WHERE product_id = (SELECT MIN(product_id) FROM raw.transactions)",
        {"lines_name_known_products"},
    ),
    "a customer without features": (
        "features/customer_features",
        f"DELETE FROM features.customer_features WHERE customer_id = {ONE_CUSTOMER}",
        {"every_buyer_has_one_row"},
    ),
    "a customer who never bought": (
        "features/customer_features",
        f"UPDATE features.customer_features SET customer_id = 'nobody' WHERE customer_id = {ONE_CUSTOMER}",
        {"every_buyer_has_one_row"},
    ),
    "a customer twice": (
        "features/customer_features",
        "INSERT INTO features.customer_features SELECT * FROM features.customer_features "
        f"WHERE customer_id = {ONE_CUSTOMER}",
        {"every_buyer_has_one_row"},
    ),
    "a date that lost its features": (
        "features/customer_features",
        "DELETE FROM features.customer_features WHERE true",
        {"every_buyer_has_one_row"},
    ),
    "a feature that is not a number": (
        "features/customer_features",
        f"UPDATE features.customer_features SET return_rate = 'nan' WHERE customer_id = {ONE_CUSTOMER}",
        {"numbers_are_finite"},
    ),
    "a customer without a segment": (
        "segments/customer_segments",
        f"DELETE FROM segments.customer_segments WHERE customer_id = {ONE_CUSTOMER}",
        {"every_customer_has_one_segment"},
    ),
    "a customer in two segments": (
        "segments/customer_segments",
        f"INSERT INTO segments.customer_segments SELECT * FROM segments.customer_segments "
        f"WHERE customer_id = {ONE_CUSTOMER}",
        {"every_customer_has_one_segment"},
    ),
    "a segment that the model does not know": (
        "segments/customer_segments",
        f"UPDATE segments.customer_segments SET segment_id = 99 WHERE customer_id = {ONE_CUSTOMER}",
        {"every_customer_has_one_segment"},
    ),
    "a name that is not true": (
        "segments/customer_segments",
        "UPDATE segments.customer_segments SET segment_name = 'Nothing kept' WHERE segment_id = 1",
        {"names_are_true"},
    ),
    "an explanation of another model": (
        "segments/segment_explanations",
        "UPDATE segments.segment_explanations SET model_version = 99",
        {"explanations_are_of_these_segments"},
    ),
    "a segment without an explanation": (
        "segments/segment_explanations",
        "DELETE FROM segments.segment_explanations WHERE segment_id = 1",
        {"explanations_are_of_these_segments"},
    ),
    "an explanation of other customers": (
        "segments/segment_explanations",
        "UPDATE segments.segment_explanations SET value = 0.123 WHERE kind = 'rfm' AND segment_id = 1 AND rank = 1",
        {"explanations_are_of_these_segments"},
    ),
}


def test_each_kind_of_damage_is_seen_by_its_check(filled: Graph, lake: Lake) -> None:
    usual = {"volume_is_usual"} & filled.failed_checks(filled.run("raw/transactions", checks_only=True))
    seen = {}
    for name, (asset, damage, _) in DAMAGE.items():
        table = damaged_table(damage)
        with lake.cursor() as con:
            con.execute(f"CREATE OR REPLACE TEMP TABLE kept AS FROM {table}")
            lake.transaction(con, Commit(name), partial(execute, damage))
            failed = filled.failed_checks(filled.run(asset, checks_only=True))
            seen[name] = failed if "week" in name else failed - usual
            lake.transaction(con, Commit("undo"), partial(restore, table))
    assert seen == {name: expected for name, (_, _, expected) in DAMAGE.items()}


def test_a_column_of_another_type_is_seen(filled: Graph, lake: Lake) -> None:
    with lake.cursor() as con:
        widen = "ALTER TABLE raw.transactions ALTER customer_bucket TYPE BIGINT"
        lake.transaction(con, Commit("widen"), lambda c: c.execute(widen))
    result = filled.run("raw/transactions", checks_only=True)
    (check,) = [c for c in result.get_asset_check_evaluations() if c.check_name == "keeps_the_contract"]
    assert check.metadata["wrong_types"].value == {"customer_bucket": "BIGINT"}


def test_a_view_that_shows_something_else_is_seen_and_the_message_mends_it(filled: Graph, lake: Lake) -> None:
    replaced = "CREATE OR REPLACE VIEW features.rfm AS FROM features.customer_features WHERE order_count > 1"
    change(lake, replaced)
    result = filled.run("features/customer_features", checks_only=True)
    assert filled.failed_checks(result) == {"views_show_every_row"}
    (check,) = [c for c in result.get_asset_check_evaluations() if not c.passed]
    with lake.cursor() as con:
        dates = con.execute(
            "SELECT DISTINCT CAST(as_of AS VARCHAR) FROM features.customer_features ORDER BY 1"
        ).fetchall()
    assert check.metadata["differing"].value == {"features.rfm": [as_of for (as_of,) in dates]}
    change(lake, str(check.description).partition("define it again: ")[2])
    assert filled.failed_checks(filled.run("features/customer_features", checks_only=True)) == set()


def execute(sql: str, con: duckdb.DuckDBPyConnection) -> None:
    con.execute(sql)


def damaged_table(sql: str) -> str:
    words = sql.split()
    return words[1] if words[0] == "UPDATE" else words[2]


def restore(table: str, con: duckdb.DuckDBPyConnection) -> None:
    con.execute(f"DELETE FROM {table}")
    con.execute(f"INSERT INTO {table} FROM temp.kept")


@pytest.mark.parametrize(
    "asset",
    ["raw/transactions", "features/customer_features", "segments/customer_segments", "segments/segment_explanations"],
)
def test_checks_can_be_run_on_their_own_before_there_is_data(graph: Graph, asset: str) -> None:
    result = graph.run(asset, checks_only=True)
    assert result.success
    assert graph.failed_checks(result) == set()
