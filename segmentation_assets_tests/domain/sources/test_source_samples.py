"""`sources check` reads the first lines of each source of files through its profile."""

from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from segmentation.cli.app import app

HEADER = "order_id,customer_id,product_id,quantity,unit_price,ordered_at\n"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("SEGMENTATION_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("SEGMENTATION_SOURCES", str(tmp_path / "sources.yaml"))
    (tmp_path / "sources.yaml").write_text(f"sources:\n  till: {{type: files, path: {tmp_path}/in}}\n")
    (tmp_path / "in").mkdir()
    return tmp_path / "in"


def check() -> Result:
    return CliRunner().invoke(app, ["sources", "check"])


def test_the_lines_that_would_come_in_are_told_with_those_that_would_not(folder: Path) -> None:
    (folder / "a.csv").write_text(
        HEADER + "1,c1,p1,1,2.5,2024-03-01\n2,,p1,1,2.5,2024-03-01\n3,c1,p1,0,2.5,2024-03-01\n"
    )

    shown = check()

    assert shown.exit_code == 0, shown.output
    assert "of the first 3 lines of" in shown.output
    assert "1 would be accepted; refused: 1 missing_customer, 1 zero_quantity" in shown.output


def test_a_source_of_which_nothing_would_come_in_fails(folder: Path) -> None:
    (folder / "a.csv").write_text(HEADER + "1,,p1,1,2.5,2024-03-01\n")

    shown = check()

    assert shown.exit_code == 1
    assert "0 would be accepted; refused: 1 missing_customer" in shown.output


def test_of_a_large_file_only_its_beginning_is_read(folder: Path) -> None:
    line = '1,c1,"a ""b""\nc",1,2.5,2024-03-01\n'
    (folder / "a.csv").write_text(HEADER + line * 60_000)

    shown = check()

    assert shown.exit_code == 0, shown.output
    count = int(shown.output.split("of the first ")[1].split(" lines")[0].replace(",", ""))
    assert 20_000 < count < 60_000


def test_a_file_that_its_profile_does_not_fit_fails_with_what_is_lacking(folder: Path) -> None:
    (folder / "a.csv").write_text("colour,size\nred,1\n")

    shown = check()

    assert shown.exit_code == 1
    assert "lacks what the profile canonical reads" in shown.output
