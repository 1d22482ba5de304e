"""Small inputs that real shops produced, made anonymous: each by the commands that their users type, to the tables.

The files are in `segmentation_assets_tests/cases`, as they came, with the profile that somebody wrote for them.
"""

import shutil
import zipfile
from collections.abc import Callable
from pathlib import Path
from subprocess import CompletedProcess

import pytest

from segmentation_assets_tests.e2e.conftest import segmentation, sql
from segmentation_assets_tests.testing.odd_shops import write_odd_shop

pytestmark = pytest.mark.takes(60)

CASES = Path(__file__).parents[1] / "cases"
REASONS = "SELECT reason, COUNT(*) FROM raw.rejected_transactions GROUP BY ALL ORDER BY reason"


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """Where the lake of a test is made."""
    return tmp_path / "warehouse"


def ingest(home: Path, case: str, name: str = "input.csv", *words: str, profile: str = "profile.yaml") -> str:
    """Ingest a file of a case through its profile; what was said."""
    done = _ingest(home, case, name, *words, profile=profile)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


def _ingest(home: Path, case: str, name: str, *words: str, profile: str = "profile.yaml") -> "CompletedProcess[str]":
    folder = CASES / case
    return segmentation(home, "ingest", str(folder / name), "--profile", str(folder / profile), *words)


def told(done: "CompletedProcess[str]") -> str:
    """What was said, in one line."""
    assert "Traceback" not in done.stdout + done.stderr
    return " ".join((done.stdout + done.stderr).split())


def test_an_offset_may_stand_after_a_space(home: Path) -> None:
    ingest(home, "01-offset-after-a-space")
    assert sql(home, "SELECT ordered_at::VARCHAR FROM raw.transactions ORDER BY 1").splitlines() == [
        "2021-05-13 09:01:12",
        "2021-05-13 18:02:12",
    ]


@pytest.mark.parametrize(("name", "orders"), [("pair.tsv", "1 3 4 5 6"), ("eof.tsv", "1 2 3 4 5")])
def test_a_quotation_mark_that_quotes_nothing_swallows_no_line(home: Path, name: str, orders: str) -> None:
    ingest(home, "02-quotes-that-quote-nothing", name)
    assert sql(home, "SELECT order_id FROM raw.transactions ORDER BY 1").split() == orders.split()


@pytest.mark.parametrize("shop", ["nearly_all_buy_once", "thirty_customers", "all_are_alike"])
def test_a_shop_that_is_hard_to_divide_has_segments(home: Path, tmp_path: Path, shop: str) -> None:
    file, profile = write_odd_shop(shop, tmp_path)
    assert segmentation(home, "ingest", str(file), "--profile", profile).returncode == 0
    done = segmentation(home, "materialize", SEGMENTATION_SEARCH_TRIALS="2")
    assert done.returncode == 0, done.stdout + done.stderr
    customers, segmented = (
        sql(home, f"SELECT COUNT(*) FROM {table} WHERE as_of = (SELECT MAX(as_of) FROM {table})")
        for table in ("features.rfm", "segments.customer_segments")
    )
    assert customers == segmented != "0"
    assert "names_are_true" not in told(done)
    stands_in = shop != "nearly_all_buy_once"
    assert ("segments_are_fitted: Named RFM rules stand in" in told(done)) == stands_in
    assert ("A stand-in" in told(segmentation(home, "models", "show"))) == stands_in
    described = sql(home, "SELECT description FROM segments.segment_profiles")
    assert ("A named rule, which stands in for a model" in described) == stands_in


def test_fields_that_stand_on_the_first_line_of_an_order_are_carried_to_the_others(home: Path) -> None:
    ingest(home, "05-order-fields-only-on-first-line", profile="carry.yaml")
    assert sql(home, "SELECT DISTINCT order_id FROM raw.transactions") == "#1"
    assert sql(home, "SELECT COUNT(*), SUM(amount) FROM raw.transactions") == "2,30.0"
    assert sql(home, REASONS) == "not_paid,2"


def test_spellings_of_nothing_are_no_customer(home: Path) -> None:
    ingest(home, "06-spellings-of-nothing")
    assert sql(home, "SELECT customer_id FROM raw.transactions") == "c1"
    assert sql(home, REASONS) == "missing_customer,5"


def test_dates_that_cannot_be_month_first_stop_the_load(home: Path) -> None:
    for words in (["--dry-run"], []):
        done = _ingest(home, "07-day-first-slashes", "input.csv", *words)
        assert "day_first" in told(done)
    assert done.returncode == 1
    assert sql(home, "SELECT COUNT(*) FROM raw.transactions") == "0"


def test_the_setting_that_is_named_reads_them(home: Path, tmp_path: Path) -> None:
    profile = (CASES / "07-day-first-slashes" / "profile.yaml").read_text()
    (tmp_path / "mended.yaml").write_text(f"{profile}\nreader: {{dates: day_first}}\n")
    ingest(home, "07-day-first-slashes", profile=str(tmp_path / "mended.yaml"))
    days = "SELECT ordered_at::DATE::VARCHAR FROM raw.transactions ORDER BY 1"
    assert sql(home, days).split() == ["2024-01-03", "2024-02-05", "2024-03-13", "2024-04-28"]


@pytest.mark.parametrize("variables", [{}, {"SEGMENTATION_TIMEZONE": "Europe/Berlin"}])
def test_days_are_those_of_the_shop(home: Path, variables: dict[str, str]) -> None:
    folder = CASES / "10-days-without-a-clock"
    for words in (
        ("ingest", str(folder / "input.csv"), "--profile", str(folder / "profile.yaml")),
        ("materialize", "--as-of", "2024-03-01", "--select", "group:features"),
    ):
        done = segmentation(home, *words, **variables)
        assert done.returncode == 0, done.stdout + done.stderr
    features = "SELECT order_count, preferred_weekday, weekend_order_share FROM features.customer_features"
    assert sql(home, f"{features} WHERE customer_id = 'monday'") == "6,1,0.0"
    assert sql(home, f"{features} WHERE customer_id = 'late'").startswith("1,")


def test_tables_that_belong_together_are_joined(home: Path) -> None:
    folder = CASES / "11-tables-that-belong-together"
    done = segmentation(home, "ingest", str(folder), "--profile", str(folder / "tables.yaml"))
    assert done.returncode == 0, done.stdout + done.stderr
    assert sql(home, "SELECT DISTINCT customer_id FROM raw.transactions") == "u1"
    assert sql(home, "SELECT COUNT(*), round(SUM(amount), 2) FROM raw.transactions") == "2,39.99"
    assert sql(home, REASONS) == "canceled,1"


@pytest.mark.parametrize(
    ("name", "profile"), [("array.json", "each.yaml"), ("lines.jsonl", "each.yaml"), ("wrapped.json", "wrapped.yaml")]
)
def test_the_lines_inside_of_orders_are_lines(home: Path, name: str, profile: str) -> None:
    ingest(home, "12-orders-with-nested-lines", name, profile=profile)
    lines = "SELECT order_id || '/' || product_id, amount FROM raw.transactions ORDER BY 1"
    assert sql(home, lines).splitlines() == ["1/a,10.0", "1/b,3.0", "2/a,5.0"]


def test_an_expression_that_makes_lines_of_a_line_is_refused(home: Path) -> None:
    done = _ingest(home, "12-orders-with-nested-lines", "array.json", "--dry-run")
    assert done.returncode == 1
    assert "unnest" in told(done)
    assert "each" in told(done)


def test_a_line_counts_as_often_as_the_file_that_has_it_most_often(home: Path) -> None:
    ingest(home, "13-exports-that-overlap", "exports")
    counts = "SELECT order_id, COUNT(*) FROM raw.transactions GROUP BY ALL ORDER BY 1"
    assert sql(home, counts).splitlines() == ["1,2", "2,1", "3,1"]
    read = sql(home, "SELECT SUM(lines_read), SUM(lines_accepted), SUM(lines_rejected) FROM raw.loads")
    assert read.replace(".0", "") == "5,4,1"


def test_the_same_file_under_another_name_is_taken_once(home: Path, tmp_path: Path) -> None:
    folder = tmp_path / "exports"
    shutil.copytree(CASES / "13-exports-that-overlap" / "exports", folder)
    shutil.copy(folder / "a.csv", folder / "a (1).csv")
    profile = str(CASES / "13-exports-that-overlap" / "profile.yaml")
    done = segmentation(home, "ingest", str(folder), "--profile", profile)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "a (1).csv" in told(done)
    assert sql(home, "SELECT COUNT(*) FROM raw.transactions") == "4"


def test_refunds_of_money_have_a_way_in(home: Path) -> None:
    ingest(home, "14-refunds-of-money-only", profile="refunds.yaml")
    done = segmentation(home, "materialize", "--as-of", "2024-03-08", "--select", "group:features")
    assert done.returncode == 0, done.stdout + done.stderr
    assert (
        sql(home, "SELECT returned_revenue, return_count FROM features.customer_features") == "18.0,1"
    )  # returned goods of one order
    assert sql(home, REASONS) == ""


@pytest.mark.parametrize("name", ["sep.csv", "title.csv"])
def test_the_header_is_found_below_other_lines(home: Path, name: str) -> None:
    ingest(home, "16-lines-above-the-header", name)
    assert sql(home, "SELECT order_id, customer_id, amount FROM raw.transactions") == "1,c1,2.5"


LINES = [
    ["order_id", "customer_id", "product_id", "quantity", "unit_price", "ordered_at"],
    ["1", "c1", "p1", "1", "2.5", "2024-03-01"],
]


def _write_text(path: Path) -> None:
    path.write_text("".join("\t".join(line) + "\n" for line in LINES))


def _write_zip(path: Path) -> None:
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("orders.csv", "".join(",".join(line) + "\n" for line in LINES))


@pytest.mark.parametrize(("name", "write"), [("orders.txt", _write_text), ("orders.zip", _write_zip)])
def test_other_suffixes_are_read(home: Path, tmp_path: Path, name: str, write: Callable[[Path], None]) -> None:
    write(tmp_path / name)
    done = segmentation(home, "ingest", str(tmp_path / name))
    assert done.returncode == 0, done.stdout + done.stderr
    assert sql(home, "SELECT order_id, customer_id, amount FROM raw.transactions") == "1,c1,2.5"


@pytest.mark.parametrize("profile", ["off.yaml", "order.yaml", "profile.yaml"])
def test_inputs_may_be_called_by_words_of_yaml_and_sql(home: Path, profile: str) -> None:
    ingest(home, "19-names-that-are-words", profile=profile)
    assert sql(home, "SELECT order_id, unit_price FROM raw.transactions") == "1,2.5"


def test_other_dates_are_read(home: Path) -> None:
    ingest(home, "20-other-dates")
    read = sql(home, "SELECT order_id::INTEGER FROM raw.transactions ORDER BY 1").split()
    assert {4, 5, 6, 7, 8, 9, 12, 13, 14, 15, 16} <= set(map(int, read))
    days = sql(home, "SELECT DISTINCT ordered_at::DATE::VARCHAR FROM raw.transactions ORDER BY 1").split()
    assert days == ["2013-01-07", "2021-05-13"]


def test_other_money_is_read(home: Path) -> None:
    ingest(home, "21-other-money")
    amounts = sql(home, "SELECT amount FROM raw.transactions ORDER BY ordered_at").split()
    assert [float(amount) for amount in amounts] == [
        1234.5, -5, -5, 12.5, 12.5, 12.5, 12, 1234.5, 12.5, 1234567, 800, -5,
    ]  # fmt: skip


def test_a_country_is_what_the_profile_says_and_not_false(home: Path) -> None:
    done = _ingest(home, "28-no-is-false", "input.csv")
    assert done.returncode == 1
    assert "columns.country" in told(done)
    assert "'NO'" in told(done)
