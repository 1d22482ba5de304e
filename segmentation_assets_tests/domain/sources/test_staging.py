"""The staging area owns all names: nobody else says one, and nothing reads what it doesn't set."""

import re
from pathlib import Path

import duckdb

import segmentation.sources
from segmentation.settings import Settings
from segmentation.sources.staging import MACRO_FILES, Relation, Staging, Variable
from segmentation_assets_tests.domain.sources.shop_files import NOW, changed

SOURCES = Path(segmentation.sources.__file__).parent
OTHERS = [
    path
    for path in SOURCES.rglob("*")
    if path.suffix in (".py", ".sql") and path.name != "staging.py" and "readers" not in path.parts
]


def test_the_macros_read_just_the_variables_that_the_staging_area_sets() -> None:
    macros = "".join((SOURCES / "rules" / name).read_text() for name in MACRO_FILES)
    assert set(re.findall(r"getvariable\('(\w+)'\)", macros)) == set(Variable)
    with duckdb.connect() as con:
        staging = Staging(con, Settings())
        staging.begin(NOW)
        staging.use_profile(changed("canonical", timezone="Europe/Paris", reader={"nulls": ["0"]}))
        missing = [name for name in Variable if con.execute(f"SELECT getvariable('{name}')").fetchone() == (None,)]
    assert missing == []


def test_nobody_else_makes_temporary_relations_or_sets_variables() -> None:
    assert len(OTHERS) > 20
    made = re.compile(r"(?i)CREATE (OR REPLACE )?TEMP(ORARY)? (TABLE|VIEW)|SET VARIABLE|\.register\(|DROP (TABLE|VIEW)")
    assert [path.name for path in OTHERS if made.search(path.read_text())] == []


def test_nobody_else_says_the_name_of_a_relation_in_sql() -> None:
    said = re.compile(rf"\b(FROM|JOIN|INTO)\s+({'|'.join(Relation)})\b")
    assert [path.name for path in OTHERS if said.search(path.read_text())] == []


def test_a_new_batch_forgets_the_lines_of_the_one_before() -> None:
    with duckdb.connect() as con:
        staging = Staging(con, Settings())
        staging.begin(NOW)
        con.execute(f"INSERT INTO {Relation.VALIDATED_LINES} BY NAME SELECT 1 AS file_id")
        con.execute(f"INSERT INTO {Relation.MALFORMED_LINES} VALUES (1, 'x')")
        staging.begin(NOW)
        left = [
            con.execute(f"SELECT count(*) FROM {relation}").fetchone()
            for relation in (Relation.VALIDATED_LINES, Relation.MALFORMED_LINES)
        ]
    assert left == [(0,), (0,)]
