"""Names are tested at every snapshot: what is no longer true goes, with a line in the ledger; the id stays."""

from datetime import date, datetime

import polars as pl
import pytest

from segmentation.metadata.tables.features import CUSTOMER_FEATURES
from segmentation.metadata.vocabulary import NAMED_FROM
from segmentation.modeling import registry
from segmentation.modeling.artefact import Artefact, FeatureRule, Provenance, Segment
from segmentation.modeling.registry import TrainingSet
from segmentation.modeling.training import _former_names, predecessor_of
from segmentation.segments.assignment import write_segments
from segmentation.segments.names import read_truth, rename_written
from segmentation.segments.profiles import write_profiles
from segmentation.warehouse import Commit, Lake
from segmentation_assets_tests.domain.modeling.test_naming import customers
from segmentation_assets_tests.testing.recorded import record_by_hand

JANUARY, FEBRUARY, MARCH = date(2024, 1, 1), date(2024, 2, 1), date(2024, 3, 1)
COMMIT, NOW = Commit("test", run_id="run-1"), datetime(2024, 4, 1)
MANY, FEW = 1, 2
FREQUENT, COOLING = "Frequent", "Cooling · few orders"


def _insert(lake: Lake, as_of: date, *, many_recency: float, few_recency: float) -> None:
    """A hundred who order often, and as many who order rarely; all of them in gaps of a month or so."""
    groups = [
        customers(100, 1, order_count=12, recency_days=many_recency, tenure_days=many_recency + 11 * 20),
        customers(100, 2, order_count=2, recency_days=few_recency, tenure_days=few_recency + 30),
    ]
    frames = []
    for prefix, group in zip("mf", groups, strict=True):
        columns = {name: group[:, index] for index, name in enumerate(NAMED_FROM)}
        frames.append(pl.DataFrame({"customer_id": [f"{prefix}{i}" for i in range(len(group))], **columns}))
    with lake.cursor() as con:
        con.register("given", pl.concat(frames).with_columns(as_of=pl.lit(as_of)))
        con.execute("CREATE OR REPLACE TEMP TABLE staged AS FROM given")
        insert = f"INSERT INTO {CUSTOMER_FEATURES.name} BY NAME FROM temp.staged"
        lake.transaction(con, COMMIT, lambda c: c.execute(insert))
    record_by_hand(lake, as_of)


def _model() -> Artefact:
    rule = FeatureRule("order_count", None, 0.0, 100.0, "identity", 0.0, 1.0)
    segments = (Segment(MANY, FREQUENT, "", (12.0,)), Segment(FEW, COOLING, "", (2.0,)))
    return Artefact(1, (rule,), segments, Provenance(JANUARY, 1, "set", 7, "0"))


@pytest.fixture
def shop(lake: Lake) -> Lake:
    """Both names are true in January; in February those of few orders come back."""
    _insert(lake, JANUARY, many_recency=5, few_recency=150)
    _insert(lake, FEBRUARY, many_recency=5, few_recency=10)
    _insert(lake, MARCH, many_recency=5, few_recency=11)
    version = registry.register(lake, _model(), {"inertia": 1.0}, COMMIT, now=NOW)
    assert version == 1
    registry.promote(lake, 1, alias="champion", actor="me", reason="test", commit=COMMIT, now=NOW)
    return lake


def _names(lake: Lake, as_of: date, table: str = "customer_segments") -> dict[int, str]:
    query = f"SELECT DISTINCT segment_id, segment_name FROM segments.{table} WHERE as_of = DATE '{as_of}'"
    with lake.cursor() as con:
        return dict(con.execute(query).fetchall())


def _ledger(lake: Lake) -> list[tuple[object, ...]]:
    columns = "segment_id, as_of, former_name, segment_name, reason"
    with lake.cursor() as con:
        return con.execute(f"SELECT {columns} FROM registry.segment_renamings ORDER BY renaming_id").fetchall()


def _served(lake: Lake) -> dict[int, str]:
    with lake.cursor() as con:
        return {segment.id: segment.name for segment in registry.load_champion(con).artefact.segments}


def test_true_names_stay(shop: Lake) -> None:
    write_segments(shop, JANUARY, COMMIT)
    assert _names(shop, JANUARY) == {MANY: FREQUENT, FEW: COOLING}
    assert _ledger(shop) == []


def test_an_untrue_word_is_renamed_from_that_snapshot_on_and_the_ledger_says_why(shop: Lake) -> None:
    for as_of in (JANUARY, FEBRUARY, MARCH):
        write_segments(shop, as_of, COMMIT)
        write_profiles(shop, as_of, COMMIT)
    after = _names(shop, FEBRUARY)
    assert after[MANY] == FREQUENT
    assert "cooling" not in after[FEW].casefold()
    assert _names(shop, JANUARY)[FEW] == COOLING
    assert _names(shop, MARCH) == after == _names(shop, MARCH, "segment_profiles") == _served(shop)
    reason = "“cooling” is true of 0% of its customers, and of 0% elsewhere"
    assert _ledger(shop) == [(FEW, FEBRUARY, COOLING, after[FEW], reason)]
    with shop.cursor() as con:
        assert all(word.is_true for as_of in (JANUARY, FEBRUARY, MARCH) for word in read_truth(con, as_of))


def test_doing_it_again_changes_nothing(shop: Lake) -> None:
    for as_of in (JANUARY, FEBRUARY):
        write_segments(shop, as_of, COMMIT)
    before, ledger = shop.version(), _ledger(shop)
    write_segments(shop, FEBRUARY, COMMIT)
    assert _ledger(shop) == ledger
    assert len(ledger) == 1
    with shop.cursor() as con:
        written = "SELECT MAX(written_version) FROM registry.snapshots WHERE table_name = 'segments.customer_segments'"
        assert con.execute(written).fetchall()[0][0] <= before


def test_names_of_dates_before_the_training_are_of_those_dates_alone(shop: Lake) -> None:
    """A backfill of older snapshots doesn't rename what serves today."""
    december = date(2023, 12, 1)
    _insert(shop, december, many_recency=5, few_recency=10)
    for as_of in (JANUARY, december):
        write_segments(shop, as_of, COMMIT)
    assert "cooling" not in _names(shop, december)[FEW].casefold()
    assert _served(shop)[FEW] == COOLING
    before = _ledger(shop)
    write_segments(shop, december, COMMIT)
    write_segments(shop, JANUARY, COMMIT)
    assert _ledger(shop) == before
    assert _names(shop, JANUARY)[FEW] == COOLING


def test_names_that_people_gave_stay_and_are_told_of(shop: Lake) -> None:
    registry.rename_segments(shop, {FEW: "Our cooling friends"}, actor="me", reason="", commit=COMMIT, now=NOW)
    for as_of in (JANUARY, FEBRUARY):
        write_segments(shop, as_of, COMMIT)
    assert _names(shop, FEBRUARY)[FEW] == "Our cooling friends"
    assert _ledger(shop) == []
    with shop.cursor() as con:
        untrue = [word for word in read_truth(con, FEBRUARY) if not word.is_true]
    assert [(word.segment_id, word.word, word.is_given) for word in untrue] == [(FEW, "cooling", True)]


def test_a_successor_begins_with_the_names_in_force(shop: Lake) -> None:
    for as_of in (JANUARY, FEBRUARY):
        write_segments(shop, as_of, COMMIT)
    with shop.cursor() as con:
        before = predecessor_of(con)
    assert before is not None
    training_set = TrainingSet("set", FEBRUARY, shop.version(), 200, ("order_count",))
    assert _former_names(shop, before, training_set) == tuple(_names(shop, FEBRUARY)[i] for i in (MANY, FEW))
    earlier = TrainingSet("set", JANUARY, shop.version(), 200, ("order_count",))
    assert _former_names(shop, before, earlier) == (FREQUENT, COOLING)


def test_snapshots_that_another_engine_wrote_are_renamed_in_place(shop: Lake) -> None:
    """As after Spark, which writes files with the names of the model."""
    for as_of in (JANUARY, FEBRUARY):
        write_segments(shop, as_of, COMMIT)
    expected = _names(shop, FEBRUARY)
    with shop.cursor() as con:
        model = registry.load(con, 1, named=False)
        update = f"UPDATE segments.customer_segments SET segment_name = '{COOLING}' WHERE segment_id = {FEW}"
        shop.transaction(con, COMMIT, lambda c: c.execute(update))
        shop.transaction(con, COMMIT, lambda c: c.execute("DELETE FROM registry.segment_renamings"))
        shop.transaction(con, COMMIT, lambda c: rename_written(c, FEBRUARY, model, COMMIT, NOW))
    assert _names(shop, FEBRUARY) == expected
    assert _names(shop, JANUARY)[FEW] == COOLING
    assert len(_ledger(shop)) == 1


def test_segmentations_of_ones_own_see_the_names_in_force(shop: Lake) -> None:
    own = shop.settings.home / "segmentations.yaml"
    own.write_text(
        f"segmentations:\n  ours: {{segments: [{{name: away, when: segment_name = '{COOLING}'}}], otherwise: no}}\n"
    )
    shop.settings = shop.settings.model_copy(update={"segmentations": own})
    for as_of in (JANUARY, FEBRUARY):
        write_segments(shop, as_of, COMMIT)
    query = "SELECT COUNT(*) FROM segments.customer_segments WHERE segment_name = 'away' AND as_of = $d"
    with shop.cursor() as con:
        assert [con.execute(query, {"d": d}).fetchall()[0][0] for d in (JANUARY, FEBRUARY)] == [100, 0]


def test_profiles_describe_and_advise_as_of_their_date(shop: Lake) -> None:
    for as_of in (JANUARY, FEBRUARY):
        write_segments(shop, as_of, COMMIT)
    january, february = (write_profiles(shop, as_of, COMMIT).sort("segment_id") for as_of in (JANUARY, FEBRUARY))
    assert "the last one 150 days ago" in january["description"][1]
    assert "the last one 10 days ago" in february["description"][1]
    assert "150 days without an order" in january["advice"][1]
    assert january["advice"][1] != february["advice"][1]
