import json
from datetime import date
from pathlib import Path

import pytest
from filelock import FileLock

from segmentation_assets_tests.e2e.conftest import segmentation, sql

SOMEBODY = "SELECT customer_id FROM segments.customer_segments ORDER BY confidence, customer_id LIMIT 1"


def test_a_customer_is_explained_beside_a_writer(home: Path) -> None:
    customer = sql(home, SOMEBODY)
    with FileLock(home / "catalog.lock"):
        shown = segmentation(home, "explain", customer)
        done = segmentation(home, "explain", customer, "--json")
    assert (shown.returncode, done.returncode) == (0, 0), done.stderr + shown.stderr
    found = json.loads(done.stdout)
    stored = sql(
        home,
        "SELECT segment_name, runner_up_distance ** 2 - distance ** 2, as_of "
        f"FROM segments.customer_segments WHERE customer_id = '{customer}'",
    )
    gap, as_of = stored.rsplit(",", 2)[1:]
    assert found["segment_name"] in stored
    assert (found["nearest_name"] == found["segment_name"]) == (found["held"] is None)
    assert found["as_of"] == as_of
    assert sum(each["contribution"] for each in found["contributions"]) == pytest.approx(float(gap), abs=1e-9)
    assert found["segment_name"] in shown.stdout
    assert all(change["sentence"] in shown.stdout for change in found["changes"])
    assert all(date.fromisoformat(change["as_of"]) > date.fromisoformat(as_of) for change in found["changes"])
    assert all(
        (change["segment_id"] == found["segment_id"]) == (change["direction"] == "keeps") for change in found["changes"]
    )
    assert found["reach"]["sentence"] in " ".join(shown.stdout.split())


def test_a_segment_is_explained_by_id_and_by_name(home: Path) -> None:
    by_id = segmentation(home, "explain", "--segment", "1", "--json")
    assert by_id.returncode == 0, by_id.stderr
    found = json.loads(by_id.stdout)
    by_name = segmentation(home, "explain", "--segment", found["segment_name"].upper(), "--json")
    assert json.loads(by_name.stdout) == found
    count = sql(home, "SELECT COUNT(*) FROM segments.customer_segments WHERE segment_id = 1")
    assert found["customer_count"] == int(count)
    assert {finding["kind"] for finding in found["findings"]} == {"difference", "rule", "product", "category", "rfm"}
    text = segmentation(home, "explain", "--segment", "1").stdout
    assert f"{int(count):,} customers" in text
    assert all(finding["sentence"] in text for finding in found["findings"] if finding["kind"] != "rfm")


@pytest.mark.parametrize(
    ("args", "code", "message"),
    [
        (["nobody"], 1, "No snapshot has a segment for customer 'nobody'"),
        (["{customer}", "--as-of", "2001-01-01"], 1, "has no segment as of 2001-01-01, only as of"),
        (["--segment", "Unicorns"], 1, "There is no segment 'Unicorns'. There are: 1 ("),
        (["--segment", "1", "--as-of", "2001-01-01"], 1, "No segment is explained as of 2001-01-01 (newest:"),
        (["--segment", "1", "--as-of", "soon"], 2, "'soon' is no date"),
        ([], 2, "Give either a customer or --segment"),
        (["x", "--segment", "1"], 2, "Give either a customer or --segment"),
    ],
)
def test_what_cannot_be_explained_says_why(home: Path, args: list[str], code: int, message: str) -> None:
    customer = sql(home, SOMEBODY) if "{customer}" in args else ""
    done = segmentation(home, "explain", *(arg.format(customer=customer) for arg in args))
    assert done.returncode == code
    assert message in " ".join(done.stderr.split())
    assert "Traceback" not in done.stderr
