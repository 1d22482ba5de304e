"""Expressions of a profile give one value for one line; what makes more or fewer of them is refused when it is read."""

import pytest

from segmentation.errors import SourceError
from segmentation_assets_tests.domain.sources.shop_files import changed

COLUMNS = {
    "order_id": "order_id",
    "customer_id": "customer_id",
    "product_id": "product_id",
    "quantity": "quantity",
    "unit_price": "unit_price",
    "ordered_at": "ordered_at",
}


@pytest.mark.parametrize(
    "expression",
    [
        "unnest(string_split(product_id, ','))",
        "upper(UNNEST(json_extract_string(product_id, '$[*].sku')))",
        "product_id.string_split(',').unnest()",
        "regexp_split_to_table(product_id, ',')",
        "generate_subscripts(string_split(product_id, ','), 1)",
    ],
)
def test_what_makes_several_lines_of_one_is_refused_with_the_setting_that_does(expression: str) -> None:
    with pytest.raises(SourceError, match=r"columns\.product_id: .* makes several lines of one.*`reader: \{each: …\}`"):
        changed("canonical", columns=COLUMNS | {"product_id": expression})


@pytest.mark.parametrize(
    "expression", ["sum(as_number(quantity))", "max(quantity)", "count(*)", "geomean(1)", "list(quantity)[1]"]
)
def test_what_sums_up_lines_is_refused(expression: str) -> None:
    with pytest.raises(SourceError, match=r"columns\.quantity: .* sums up several lines"):
        changed("canonical", columns=COLUMNS | {"quantity": expression})


def test_rules_and_product_names_are_looked_at_too() -> None:
    with pytest.raises(SourceError, match=r"rules\.many: .* calls unnest"):
        changed("canonical", rules=[{"name": "many", "reject": "unnest([true, false])"}])
    with pytest.raises(SourceError, match=r"product_name: .* calls any_value"):
        changed("canonical", product_name="any_value(product_id)")


@pytest.mark.parametrize(
    "expression",
    [
        "list_sum(list_transform(string_split(quantity, '+'), lambda x: as_number(x)))",
        "greatest(as_number(quantity), 1)",
        "range(3)[2]",
        "len(generate_series(1, 3))",
        "clean_id(quantity)",
        "{'first': quantity}.first",
    ],
)
def test_functions_of_one_line_are_welcome(expression: str) -> None:
    assert changed("canonical", columns=COLUMNS | {"quantity": expression}).columns["quantity"] == expression
