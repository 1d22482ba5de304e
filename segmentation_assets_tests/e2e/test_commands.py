import json
import re
import subprocess
from pathlib import Path

import polars as pl
import pytest

from segmentation_assets_tests.e2e.conftest import command, environment, segmentation, sql

pytestmark = pytest.mark.takes(30)

COMMANDS = (
    "demo",
    "ingest",
    "materialize",
    "sql",
    "explain",
    "serve",
    "ui",
    "doctor",
    "models",
    "models list",
    "models show",
    "maintain",
)


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_explains_itself(tmp_path: Path, name: str) -> None:
    done = segmentation(tmp_path / "none", *name.split(), "--help")
    assert done.returncode == 0
    assert "Usage:" in done.stdout
    assert not (tmp_path / "none").exists()


@pytest.mark.parametrize("args", [["frobnicate"], ["sql", "--format", "xml"], ["demo", "--customers", "0"]])
def test_a_wrong_call_exits_with_2(tmp_path: Path, args: list[str]) -> None:
    assert segmentation(tmp_path / "none", *args).returncode == 2


def test_query_results_come_in_four_formats(home: Path, tmp_path: Path) -> None:
    query = "SELECT segment_id, segment_name FROM segments.segment_profiles ORDER BY segment_id"
    table, csv, as_json = (segmentation(home, "sql", query, "-f", f).stdout for f in ("table", "csv", "json"))
    file = tmp_path / "out.parquet"
    assert segmentation(home, "sql", query, "-f", "parquet", "-o", str(file)).returncode == 0
    rows = pl.read_parquet(file).rows()
    assert csv.splitlines() == ["segment_id,segment_name", *(f'{i},"{n}"' if "," in n else f"{i},{n}" for i, n in rows)]
    assert [(row["segment_id"], row["segment_name"]) for row in json.loads(as_json)] == rows
    assert all(f"{name}" in table for _, name in rows)
    assert f"{len(rows)} rows" in table


def test_a_query_can_be_piped_in(home: Path) -> None:
    done = subprocess.run(
        command("sql", "--format", "csv"),
        env=environment(home),
        input="SELECT 1 + 1 AS two",
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    assert done.stdout == "two\n2\n"


@pytest.mark.parametrize(
    ("query", "message"),
    [
        ("SELECT * FROM raw.nothing", "The query failed: .*does not exist"),
        ("DELETE FROM raw.transactions", "DELETE is refused, since queries only read"),
        ("SELECT '[/x]' FROM nope", "nope"),
        ("SELECT INTERVAL 1 DAY", "cast it to VARCHAR"),
    ],
)
def test_a_query_that_fails_says_why(home: Path, query: str, message: str) -> None:
    done = segmentation(home, "sql", query)
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    assert re.search(message, done.stderr.replace("\n", " "))


def test_a_result_that_cannot_be_written_says_why(home: Path) -> None:
    for args, message in (
        (["SELECT 1", "-o", "/nonexistent/x.csv"], "Can't write the result"),
        (["SELECT [1, 2]", "-f", "csv"], "Cast such columns to VARCHAR"),
    ):
        done = segmentation(home, "sql", *args)
        assert done.returncode == 1
        assert message in done.stderr
        assert "Traceback" not in done.stderr


def test_models_are_listed_and_shown(home: Path) -> None:
    (model,) = json.loads(segmentation(home, "models", "list", "--json").stdout)
    assert (model["version"], model["aliases"]) == (1, ["candidate", "champion"])
    shown = json.loads(segmentation(home, "models", "show", "champion", "--json").stdout)
    assert shown["model_hash"] == model["model_hash"]
    text = segmentation(home, "models", "show", "1").stdout
    assert all(segment["name"] in text for segment in shown["artefact"]["segments"])
    assert "champion" in segmentation(home, "models", "list").stdout


@pytest.mark.parametrize(
    ("version", "message"), [("99", "no model version 99"), ("grandmaster", "No model has the alias 'grandmaster'")]
)
def test_a_model_that_is_not_there_is_named(home: Path, version: str, message: str) -> None:
    done = segmentation(home, "models", "show", version)
    assert done.returncode == 1
    assert message in done.stderr


def test_a_promotion_can_be_tried_and_a_rollback_needs_somewhere_to_go(home: Path) -> None:
    done = segmentation(home, "models", "promote", "champion", "--dry-run")
    assert (done.returncode, done.stdout) == (0, ""), done.stderr
    assert "Model 1 is champion already." in segmentation(home, "models", "promote", "1").stdout
    done = segmentation(home, "models", "rollback")
    assert done.returncode == 1
    assert "nothing to roll back to" in done.stderr


def test_the_doctor_is_content_with_a_good_lake(home: Path) -> None:
    done = segmentation(home, "doctor", "--json")
    findings = {finding["subject"]: finding for finding in json.loads(done.stdout)}
    assert done.returncode == 0
    assert findings["champion"]["detail"].startswith("model 1")
    assert "ok" in segmentation(home, "doctor").stdout


def test_the_doctor_says_what_is_missing(tmp_path: Path) -> None:
    done = segmentation(tmp_path / "nothing", "doctor")
    assert done.returncode == 1
    assert "There is no lake" in done.stdout.replace("\n", " ")


def test_another_date_gets_features_and_segments_of_its_own(home: Path) -> None:
    done = segmentation(home, "materialize", "--as-of", "2025-07-01", "--select", "group:features or group:segments")
    assert done.returncode == 0, done.stderr
    assert "Segments as of 2025-07-01 (model 1)" in done.stdout
    assert int(sql(home, "SELECT COUNT(*) FROM segments.customer_segments WHERE as_of = '2025-07-01'")) > 100


@pytest.mark.parametrize("selection", ["group:training", 'key:"training/champion_model"', 'key:"raw/products"'])
def test_a_part_of_the_graph_can_be_materialized_alone(home: Path, selection: str) -> None:
    lines = sql(home, "SELECT MAX(snapshot_id) FROM ducklake_snapshots('lake') WHERE commit_message LIKE 'raw/trans%'")
    done = segmentation(home, "materialize", "--select", selection)
    assert done.returncode == 0, done.stderr
    assert lines == sql(
        home, "SELECT MAX(snapshot_id) FROM ducklake_snapshots('lake') WHERE commit_message LIKE 'raw/trans%'"
    )


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (["--as-of", "2999-07-02"], "a snapshot as of 2999-07-02 would be ahead of it. Look as of"),
        (["--as-of", "soon"], "--as-of is 'soon'; write a date as YYYY-MM-DD"),
        (["--since", "2999-07-02"], "--since 2999-07-02 is after the snapshot date"),
        (["--select", "group:nonsense"], "names no asset. There are: features/behaviour"),
        (["--select", "((("], r"Can't read the selection"),
    ],
)
def test_a_materialization_that_makes_no_sense_is_refused(home: Path, args: list[str], message: str) -> None:
    done = segmentation(home, "materialize", *args)
    assert done.returncode == 1
    assert message in done.stderr.replace("\n", " ")


def test_a_bad_setting_is_named(tmp_path: Path) -> None:
    done = segmentation(tmp_path / "none", "doctor", SEGMENTATION_MIN_SEGMENTS="many")
    assert done.returncode == 1
    assert "SEGMENTATION_MIN_SEGMENTS" in done.stderr


def test_a_lake_that_holds_nothing_has_nothing_to_materialize(tmp_path: Path) -> None:
    done = segmentation(tmp_path / "new", "materialize")
    assert done.returncode == 1
    assert "Nothing has been ingested yet" in done.stderr


def test_maintenance_is_told_beforehand_and_done(home: Path) -> None:
    told = json.loads(segmentation(home, "maintain", "--dry-run", "--json").stdout)
    table = segmentation(home, "maintain").stdout
    done = json.loads(segmentation(home, "maintain", "--json").stdout)
    assert told["rows_flushed"] > 0
    assert (told["files_merged"], done["rows_flushed"], done["files_merged"]) == (None, 0, 0)
    assert (told["snapshots_protected"], done["snapshots_protected"]) == (1, 1)
    assert re.search(r"rows flushed +│ +\d", table)
