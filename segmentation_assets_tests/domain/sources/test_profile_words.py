"""Profiles and sources.yaml as people write them: words that YAML or SQL would take for something else."""

from pathlib import Path

import duckdb
import pytest
from hypothesis import given
from hypothesis import strategies as st

from segmentation.errors import SourceError
from segmentation.sources.config import KafkaSource, parse_sources
from segmentation.sources.profiles.profile import Profile, parse_profile
from segmentation.sources.profiles.sql_words import quoted
from segmentation.warehouse import Lake
from segmentation_assets_tests.domain.sources.shop_files import ingest, rows_of

HEADER = "order_id,customer_id,product_id,quantity,unit_price,ordered_at\n"
LINE = "1,c1,p1,1,2.5,2024-03-01\n"

PROFILE = """
name: base
inputs: {{{order}: [order_id], customer: [customer_id], product: [product_id], qty: [quantity], {price}: [unit_price], \
day: [ordered_at]}}
columns: {{order_id: {order}, customer_id: customer, product_id: product, quantity: qty, unit_price: {price}, \
ordered_at: day}}
"""

WORDS = [
    *("order", "group", "from", "to", "end", "table", "desc", "column", "select", "left", "user", "check", "primary"),
    *(
        "case",
        "not",
        "when",
        "and",
        "or",
        "in",
        "is",
        "then",
        "else",
        "as",
        "by",
        "at",
        "distinct",
        "interval",
        "values",
    ),
]


def profile(order: str = "order_no", price: str = "price", *more: str) -> Profile:
    return parse_profile("\n".join([PROFILE.format(order=order, price=price), *more]), "test.yaml")


def columns(**changed: str) -> str:
    given = {"order_id": "order_no", "customer_id": "customer", "product_id": "product", "quantity": "qty"}
    lines = {**given, "unit_price": "price", "ordered_at": "day", **changed}
    return "\n".join(["columns:", *(f"  {name}: {sql}" for name, sql in lines.items())])


def with_columns(**changed: str) -> Profile:
    head = PROFILE.format(order="order_no", price="price").split("columns:")[0]
    return parse_profile(head + columns(**changed), "test.yaml")


@pytest.mark.parametrize("word", ["off", "no", "NO".lower(), "yes", "on", "y", "n"])
def test_an_input_may_be_called_what_yaml_takes_for_a_truth(lake: Lake, tmp_path: Path, word: str) -> None:
    (tmp_path / "orders.csv").write_text(HEADER + LINE)

    ingest(lake, tmp_path / "orders.csv", profile(price=word))

    assert rows_of(lake, "SELECT unit_price FROM raw.transactions") == [(2.5,)]


@pytest.mark.parametrize("word", WORDS)
def test_an_input_may_be_called_like_a_word_of_sql(lake: Lake, tmp_path: Path, word: str) -> None:
    (tmp_path / "orders.csv").write_text(HEADER + LINE)
    made = profile(order=word)

    ingest(lake, tmp_path / "orders.csv", made)

    assert rows_of(lake, "SELECT order_id FROM raw.transactions") == [("1",)]
    assert parse_profile(made.to_yaml(), "the lake").to_yaml() == made.to_yaml()


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("order", '"order"'),
        ("ORDER || '/' || from", '"order" || \'/\' || "from"'),
        ("'order' || order -- order", "'order' || \"order\" -- order"),
        ('"order" || input.order', '"order" || input.order'),
        ("order.id", '"order".id'),
        ("CASE WHEN end > 1 THEN end ELSE from END", 'CASE WHEN "end" > 1 THEN "end" ELSE "from" END'),
        ("from IS DISTINCT FROM end", '"from" IS DISTINCT FROM "end"'),
        ("extract(year FROM end)", 'extract(year FROM "end")'),
        ("CAST(end AS order)", 'CAST("end" AS order)'),
        ("end::order", '"end"::order'),
        ("left(left, 3)", 'left("left", 3)'),
        ("case = 'x' AND NOT not", '"case" = \'x\' AND NOT "not"'),
        ("case WHEN x THEN y END", "case WHEN x THEN y END"),
        ("end NOT IN (from, 2)", '"end" NOT IN ("from", 2)'),
    ],
)
def test_only_names_where_a_value_is_expected_are_quoted(expression: str, expected: str) -> None:
    assert quoted(expression, ["order", "from", "end", "left", "case", "not", "in"]) == expected


@given(st.text())
def test_whatever_stands_in_an_expression_only_quotation_marks_are_added(text: str) -> None:
    assert quoted(text, ["order"]).replace('"', "").casefold() == text.replace('"', "").casefold()


@pytest.mark.parametrize("word", ["null", "true", "false"])
def test_an_input_that_could_never_be_told_from_a_value_is_refused(word: str) -> None:
    with pytest.raises(SourceError, match=f"inputs.{word}: is a word of SQL.*call it {word}_no"):
        profile(order=word)


def test_an_expression_that_stays_unreadable_names_the_word() -> None:
    with pytest.raises(
        SourceError, match=r"columns.order_id: syntax error.*input case is .* word of SQL; call it case_no"
    ):
        parse_profile(PROFILE.format(order="case", price="price").replace("order_id: case", "order_id: case 1"), "x")


@pytest.mark.parametrize(
    ("written", "told"),
    [
        ("NO", r"columns.country: NO is no input; for the text write \"'NO'\""),
        ("web", r"columns.country: web is no input; for the text write \"'web'\""),
        ("United Kingdom", r"columns.country: .*for the text write \"'United Kingdom'\""),
        ("e-mail", r"columns.country: e, mail are no inputs; for the text write \"'e-mail'\""),
        (
            "upper(land)",
            r"columns.country: land is no input \('land' would be the text\). It may use the inputs order_no",
        ),
    ],
)
def test_a_word_that_is_no_input_is_told_with_what_to_write(written: str, told: str) -> None:
    with pytest.raises(SourceError, match=told):
        with_columns(country=written)


@pytest.mark.parametrize(
    "written", ["input.qty", "list_sum([x + 1 for x in [qty]])", "list_transform([qty], x -> x)", "current_date"]
)
def test_names_that_an_expression_makes_itself_are_no_inputs(written: str) -> None:
    assert with_columns(country=written).columns["country"] == written


def test_numbers_dates_and_truths_stay_as_they_are_written() -> None:
    made = with_columns(quantity="1.50", country="\"'1e3'\"")

    assert made.columns["quantity"] == "1.50"
    assert parse_profile(made.to_yaml(), "a copy") == made


def test_what_is_left_empty_counts_as_left_out() -> None:
    made = profile("order_no", "price", "reader: {delimiter: ~, sheet: null}", "rules:", "location:", "description:")

    assert (made.reader.delimiter, made.reader.sheet, made.rules, made.location) == (None, None, (), None)
    assert profile("order_no", "price", 'reader: {delimiter: "~"}').reader.delimiter == "~"


def test_a_key_that_is_given_twice_is_named_with_its_lines() -> None:
    with pytest.raises(SourceError, match=r"the key 'name' is given twice \(line 2 and line 6\)"):
        profile("order_no", "price", "name: other")


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (
            "a: &a [x, x, x, x, x, x, x, x, x]\n"
            + "".join(
                f"{new}: &{new} [{', '.join(['*' + old] * 9)}]\n"
                for old, new in zip("abcdefgh", "bcdefghi", strict=True)
            ),
            "more than 100,000 values",
        ),
        ("a: &a [*a]", "an alias stands for what it is part of"),
        ("a: " + "[" * 5_000, "nested too deeply"),
        ("? [a, b]\n: c", "a key has to be a word"),
    ],
)
def test_yaml_that_means_harm_is_refused(text: str, told: str) -> None:
    with pytest.raises(SourceError, match=told):
        parse_profile(text, "test.yaml")


def test_shared_parts_may_be_merged() -> None:
    made = profile("order_no", "price", "reader: {<<: &r {decimal: ',', sheet: May}, sheet: June}")

    assert (made.reader.decimal, made.reader.sheet) == (",", "June")


def test_sources_are_text_but_options_keep_their_types() -> None:
    text = """
sources:
  no: {type: kafka, servers: 'h:1', topic: 2024, batch_lines: 100, fresh_within_hours: "${H}", options: {a: 3, b: no}}
  off: {type: postgres, connection: x, table: null, query: SELECT 1, cursor: on, description: }
"""
    found = parse_sources(text, "sources.yaml", {"H": "1.5"})

    kafka, database = found["no"], found["off"]
    assert isinstance(kafka, KafkaSource)
    assert (kafka.topic, kafka.batch_lines, kafka.fresh_within_hours) == ("2024", 100, 1.5)
    assert kafka.options == {"a": 3, "b": False}
    assert database.description == ""


def test_a_source_that_is_declared_twice_is_an_error() -> None:
    with pytest.raises(SourceError, match=r"the key 'a' is given twice"):
        parse_sources("sources:\n  a: {type: push}\n  a: {type: push}\n", "sources.yaml", {})


def test_every_word_of_sql_but_constants_can_be_an_input() -> None:
    with duckdb.connect() as con:
        words = {row[0] for row in con.execute("SELECT keyword_name FROM duckdb_keywords()").fetchall()}

    for word in sorted(words - {"null", "true", "false", "default", "day", "input"}):
        assert profile(order=word).columns["order_id"].strip('"') == word
