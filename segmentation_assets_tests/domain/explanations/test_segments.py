"""What sets a segment apart, against figures that plain Python and SQL find another way."""

import random
from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import date, datetime
from statistics import NormalDist, fmean, pstdev

import duckdb
import numpy as np
import pytest

from segmentation.errors import NotEnoughDataError
from segmentation.explanations.differences import FEATURES_COMPARED, find_differences
from segmentation.explanations.findings import Characteristic
from segmentation.explanations.lifts import find_favourites, find_rfm_mix, wilson_bound
from segmentation.explanations.rules import find_rules, rounded
from segmentation.explanations.sample import Sample, read_sample, typical
from segmentation.explanations.segment_findings import SCHEMA
from segmentation.explanations.wording import NOUNS, condition, difference, figure
from segmentation.features.windows import Window
from segmentation.metadata.features import FEATURES
from segmentation.metadata.tables.segments import SEGMENT_EXPLANATIONS
from segmentation.modeling.artefact import Floats, Ints
from segmentation.warehouse import Commit, Lake
from segmentation_assets_tests.testing.lines import Line, insert_lines

AS_OF = date(2024, 7, 1)
WINDOW = Window(AS_OF, date(2023, 7, 1))


def customers(count: int = 3000, seed: int = 5) -> tuple[dict[str, Floats], Ints]:
    """A world in which the segment is known: 1 are those seen in 40 days with more than six orders."""
    rng = np.random.default_rng(seed)
    recency, orders = rng.uniform(0, 200, count), rng.integers(1, 20, count).astype(np.float64)
    values = {
        "recency_days": recency,
        "order_count": orders,
        "orders_365d": orders + rng.integers(0, 2, count),
        "net_revenue": rng.lognormal(5, 1, count),
        "return_rate": np.where(rng.random(count) < 0.8, 0.0, rng.random(count)),
    }
    return values, np.where((recency <= 40) & (orders > 6), 1, 2)


def sample_of(values: Mapping[str, Floats], segment_ids: Ints) -> Sample:
    return Sample(tuple(values), np.column_stack(list(values.values())), segment_ids)


def assign(lake: Lake, segments: Mapping[str, int], rfm: Mapping[str, str] | None = None) -> None:
    """Give customers a segment, and a named RFM segment."""
    with lake.cursor() as con:
        rows = [(c, number, f"segment {number}", (rfm or {}).get(c, "Champions")) for c, number in segments.items()]
        con.execute("CREATE OR REPLACE TEMP TABLE given (c VARCHAR, s INTEGER, n VARCHAR, r VARCHAR)")
        con.executemany("INSERT INTO temp.given VALUES (?, ?, ?, ?)", rows)

        def write(con: duckdb.DuckDBPyConnection) -> None:
            con.execute(
                "INSERT INTO segments.customer_segments "
                f"SELECT DATE '{AS_OF}', c, s, n, 0, 1, 2, 0.5, false, s, NULL, 1, 'model', NULL FROM temp.given"
            )
            con.execute(
                f"INSERT INTO features.customer_features BY NAME SELECT DATE '{AS_OF}' AS as_of, c AS customer_id, "
                "r AS rfm_segment, length(c) AS recency_days FROM temp.given"
            )

        lake.transaction(con, Commit("given"), write)


def line(
    customer: str, product: str, day: date = date(2024, 1, 5), quantity: float = 1.0, category: str | None = None
) -> Line:
    moment = datetime.combine(day, datetime.min.time())
    return Line(customer, f"{customer}-{day}-{quantity}", product, moment, quantity, 5.0 * quantity, category)


def lower_bound(hits: int, tries: int) -> float:
    """The smallest share from which the one seen is not more than a one-sided 95 % quantile away (Wilson 1927)."""
    spread = NormalDist().inv_cdf(0.95) ** 2 / tries
    share = hits / tries
    return float(np.roots([1 + spread, -(2 * share + spread), share**2]).real.min())


def of_kind(findings: Sequence[Characteristic], kind: str, segment_id: int) -> list[Characteristic]:
    return [finding for finding in findings if (finding.kind, finding.segment_id) == (kind, segment_id)]


def test_differences_are_standardised_on_the_transform_scale() -> None:
    values, ids = customers()
    found = of_kind(find_differences(sample_of(values, ids)), "difference", 1)
    scores = {}
    for name, scale in (("recency_days", np.log1p), ("order_count", np.log1p), ("return_rate", np.sqrt)):
        everybody = scale(values[name]).tolist()
        members = [value for value, number in zip(everybody, ids.tolist(), strict=True) if number == 1]
        scores[name] = (fmean(members) - fmean(everybody)) / pstdev(everybody)
    assert {f.item: f.score for f in found} == pytest.approx({k: v for k, v in scores.items() if abs(v) >= 0.2})
    assert [f.item for f in found] == ["recency_days", "order_count"]
    assert found[0].value < found[0].reference
    assert found[0].sentence.startswith("Fewer days since the last order: ")


def test_of_features_that_say_the_same_only_one_is_listed() -> None:
    values, ids = customers()
    stronger = {**values, "orders_365d": values["order_count"] + 5 * (ids == 1)}
    listed = {f.item for f in find_differences(sample_of(stronger, ids)) if f.segment_id == 1}
    assert "orders_365d" in listed
    assert "order_count" not in listed


def test_a_segment_like_all_others_still_has_its_greatest_difference() -> None:
    values, ids = customers()
    shuffled = np.random.default_rng(1).permutation(ids)
    assert [f.item for f in find_differences(sample_of(values, shuffled)) if f.segment_id == 2]


def test_missing_values_and_constant_features_make_no_difference() -> None:
    values, ids = customers(200)
    unknown = np.full(200, np.nan)
    some = np.where(np.arange(200) % 2 == 0, np.nan, values["recency_days"])
    found = find_differences(
        sample_of({"recency_days": some, "mean_gap_days": unknown, "distinct_channels": np.ones(200)}, ids)
    )
    assert {f.item for f in found} == {"recency_days"}


def test_a_rule_that_is_there_is_found() -> None:
    (rule,) = of_kind(find_rules(sample_of(*customers()), seed=1), "rule", 1)
    assert rule.item == "recency_days <= 40 AND order_count > 6"
    assert rule.value > 0.97
    assert rule.score > 0.97
    assert rule.sentence == (
        f"{rule.value:.0%} of the customers with at most 40 days since the last order and more than 6 orders are in "
        f"this segment; they are {rule.score:.0%} of it"
    )


def test_precision_and_coverage_are_those_of_the_rule_as_it_is_written() -> None:
    values, ids = customers(800, seed=9)
    noisy = np.where(np.random.default_rng(2).random(800) < 0.15, 3 - ids, ids)
    columns = {name: values[name] for name in ("recency_days", "order_count", "net_revenue", "return_rate")}
    rules = find_rules(sample_of(columns, noisy), seed=1)
    assert {rule.segment_id for rule in rules} == {1, 2}
    with duckdb.connect() as con:
        con.execute(f"CREATE TABLE world ({', '.join(f'{name} DOUBLE' for name in columns)}, segment_id INTEGER)")
        con.executemany(
            "INSERT INTO world VALUES (?, ?, ?, ?, ?)", [*zip(*columns.values(), noisy.tolist(), strict=True)]
        )
        for rule in rules:
            met, members, both = con.execute(
                "SELECT COUNT(*) FILTER (is_met), COUNT(*) FILTER (is_in), COUNT(*) FILTER (is_met AND is_in) FROM "
                f"(SELECT segment_id = {rule.segment_id} AS is_in, {rule.item} AS is_met FROM world)"
            ).fetchall()[0]
            assert (rule.value, rule.score, rule.reference) == pytest.approx(
                (both / met, both / members, members / 800)
            )


def test_a_feature_that_many_lack_makes_no_rule() -> None:
    values, ids = customers()
    holes = np.where(np.arange(len(ids)) % 10 == 0, np.nan, values["recency_days"])
    rules = find_rules(sample_of({"recency_days": holes, "order_count": values["order_count"]}, ids), seed=1)
    assert all("recency" not in rule.item for rule in rules)
    assert find_rules(sample_of({"recency_days": holes}, ids), seed=1) == []


@pytest.mark.parametrize(
    ("name", "threshold", "expected"),
    [
        ("order_count", 6.5, 6),
        ("recency_days", 41.37, 41),
        ("recency_days", 137.2, 140),
        ("net_revenue", 1234.5, 1200),
        ("net_revenue", -31.4, -31),
        ("return_rate", 0.1372, 0.14),
        ("spend_trend", 0.0, 0),
    ],
)
def test_thresholds_are_rounded_as_people_say_them(name: str, threshold: float, expected: float) -> None:
    assert rounded(name, threshold) == expected


def test_lifts_are_what_counting_customers_gives(lake: Lake) -> None:
    rng = random.Random(4)
    segments = {f"c{number}": 1 + number % 3 for number in range(120)}
    lines = []
    for customer, number in segments.items():
        for product in range(12):
            if rng.random() < (0.2 + 0.1 * number if product % 3 == number % 3 else 0.25):
                lines += [
                    line(customer, f"p{product}", date(2024, rng.randint(1, 6), 3), category=f"k{product % 4}")
                    for _ in range(rng.randint(1, 2))
                ]
    ignored = [
        line("c1", "p0", date(2023, 6, 30)),
        line("c4", "p0", AS_OF),
        line("c7", "p0", quantity=-1.0),
        line("stranger", "p0"),
    ]
    insert_lines(lake, lines + ignored)
    assign(lake, segments)
    buyers: dict[tuple[str, str], set[str]] = defaultdict(set)
    for each in lines:
        buyers["product", each.product_id].add(each.customer_id)
        buyers["category", str(each.category)].add(each.customer_id)
    with lake.cursor() as con:
        found = find_favourites(con, WINDOW)
    for kind in ("product", "category"):
        for number in (1, 2, 3):
            expected = {}
            for (k, item), who in buyers.items():
                hits = sum(segments[customer] == number for customer in who)
                if k == kind and hits >= 10:
                    expected[item] = (hits / 40, len(who) / 120, lower_bound(hits, 40) / (len(who) / 120))
            best = sorted(expected, key=lambda item: (-expected[item][2], item))[:5]
            mine = of_kind(found, kind, number)
            assert [finding.item for finding in mine] == best
            for finding in mine:
                assert (finding.value, finding.reference, finding.score) == pytest.approx(expected[finding.item])


def test_a_product_that_a_handful_bought_does_not_come_first(lake: Lake) -> None:
    segments = {f"c{number}": 1 + number // 60 for number in range(120)}
    popular = [line(f"c{number}", "popular") for number in (*range(40), *range(60, 80))]
    rare = [line(f"c{number}", "rare") for number in range(3)]
    insert_lines(lake, popular + rare)
    assign(lake, segments)
    with lake.cursor() as con:
        found = find_favourites(con, WINDOW)
    assert [finding.item for finding in of_kind(found, "product", 1)] == ["popular"]
    assert found[0].sentence == "popular: bought by 67% of the segment and 50% of everybody (1.3 times)"


def test_products_have_their_names_and_an_id_where_the_name_is_shared(lake: Lake) -> None:
    segments = {f"c{number}": 1 for number in range(20)} | {f"d{number}": 2 for number in range(20)}
    insert_lines(lake, [line(customer, product) for customer in segments for product in ("a", "b", "c", "d")])
    assign(lake, segments)
    names = [("a", "Apple"), ("b", "Bread"), ("c", "Bread"), ("d", None)]
    with lake.cursor() as con:
        con.executemany("INSERT INTO raw.products (product_id, product_name, source) VALUES (?, ?, 'test')", names)
        found = of_kind(find_favourites(con, WINDOW), "product", 1)
    said = [finding.sentence.partition(":")[0] for finding in found]
    assert said == ["Apple", "Bread (b)", "d"]
    assert [finding.item for finding in found] == ["a", "b", "d"]


def test_without_lines_or_categories_there_is_nothing_to_favour(lake: Lake) -> None:
    assign(lake, {f"c{number}": 1 for number in range(30)})
    with lake.cursor() as con:
        assert find_favourites(con, WINDOW) == []
        insert_lines(lake, [line(f"c{number}", "p") for number in range(30)])
        assert {finding.kind for finding in find_favourites(con, WINDOW)} == {"product"}


def test_the_rfm_mix_adds_up(lake: Lake) -> None:
    segments = {f"c{number}": 1 + number % 2 for number in range(90)}
    rfm = {customer: ("Champions", "Lost", "At risk")[number % 5 % 3] for number, customer in enumerate(segments)}
    assign(lake, segments, rfm)
    with lake.cursor() as con:
        found = find_rfm_mix(con, WINDOW)
    for number in (1, 2):
        mine = of_kind(found, "rfm", number)
        assert sum(finding.value for finding in mine) == pytest.approx(1)
        assert [finding.value for finding in mine] == sorted((f.value for f in mine), reverse=True)
        for finding in mine:
            everybody = list(rfm.values()).count(finding.item) / 90
            members = sum(rfm[c] == finding.item for c, s in segments.items() if s == number) / 45
            assert (finding.value, finding.reference, finding.score) == pytest.approx(
                (members, everybody, members / everybody)
            )


@pytest.mark.parametrize(("hits", "tries"), [(0, 5), (3, 3), (10, 400), (1, 1)])
def test_the_bound_is_wilsons(hits: int, tries: int) -> None:
    assert wilson_bound(hits, tries) == pytest.approx(lower_bound(hits, tries))


def test_a_sample_is_the_same_every_time_and_of_all_kinds(lake: Lake) -> None:
    assign(lake, {f"c{number}": 1 + number % 2 for number in range(200)})
    with lake.cursor() as con:
        some = [read_sample(con, AS_OF, ["recency_days"], limit=60) for _ in range(2)]
        everybody = read_sample(con, AS_OF, ["recency_days"])
        with pytest.raises(NotEnoughDataError, match="No customer has a segment as of 2020-01-01"):
            read_sample(con, date(2020, 1, 1), ["recency_days"])
    assert len(everybody.values) == 200
    assert some[0].values.tolist() == some[1].values.tolist()
    assert len(some[0].values) == 60
    assert set(some[0].segment_ids.tolist()) == {1, 2}


def test_the_typical_customer_is_the_mean_on_the_transform_scale_taken_back() -> None:
    sample = Sample(
        ("net_revenue", "return_rate", "mean_gap_days"),
        np.array([[10.0, 0.0, np.nan], [1000.0, 0.25, np.nan], [-5.0, 0.0, 7.0]]),
        np.array([1, 1, 2]),
    )
    found = typical(sample, [1, 2, 3])
    assert found[0].tolist() == pytest.approx([np.sqrt(11 * 1001) - 1, 0.0625, np.nan], nan_ok=True)
    assert found[1].tolist() == pytest.approx([-5, 0, 7])
    assert not np.isnan(found[2, :2]).any(), "a segment without customers gets everybody's"


def test_every_feature_that_is_compared_can_be_said() -> None:
    assert set(NOUNS) == set(FEATURES_COMPARED)
    assert {f.name for f in FEATURES if f.is_modelled} <= set(FEATURES_COMPARED)


def test_sentences_read_well() -> None:
    assert difference("order_count", 14.2, 2.9) == "More orders: 14 against a typical 2.9 (4.9 times)"
    assert difference("net_revenue", 80.5, 4200) == "Lower net revenue: 80.50 against a typical 4,200"
    assert difference("is_one_time_buyer", 0.82, 0.31) == "More one-time buyers: 82% against 31% of everybody"
    assert condition("order_count", None, 1) == "at most 1 order"
    assert condition("order_count", 1, None) == "more than 1 order"
    assert condition("order_count", 2, 3) == "3 orders"
    assert condition("recency_days", 30, 60) == "30 to 60 days since the last order"
    assert condition("average_order_value", 28, None) == "an average order value above 28"
    assert condition("return_rate", 0.1, 0.25) == "a return rate of 10% to 25%"
    assert figure("net_revenue", 24.5) == "24.50"
    assert figure("return_rate", 0.004) == "0.4%"


def test_the_frame_has_the_columns_of_the_table() -> None:
    assert ("as_of", *SCHEMA) == SEGMENT_EXPLANATIONS.column_names
