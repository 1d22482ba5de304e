"""Whether names are true: a model per shop, and the share of members per word at every snapshot that it decides.

Named as in training at the first judged date, tested and renamed at each later month as in production.
"""

import shutil
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import date
from pathlib import Path

from benchmarks.reporting import Target, at_least, at_most
from benchmarks.segments.parts import Part, table_of
from benchmarks.segments.shops import Shop
from segmentation.clock import utc_now
from segmentation.metadata.tables.segments import CUSTOMER_SEGMENTS
from segmentation.metadata.vocabulary import BY_LABEL, words_of
from segmentation.modeling import registry
from segmentation.modeling.segment_identity.truth import TRUE_SHARE, WITHIN_RHYTHM, prepare, shares
from segmentation.modeling.training import train
from segmentation.modeling.training_data import make_training_set
from segmentation.segments.assignment import write_segments
from segmentation.segments.names import read_truth, with_features
from segmentation.segments.profiles import write_profiles
from segmentation.warehouse import Commit, Lake

COMMIT = Commit("benchmark of names")
QUICK_TRIALS, QUICK_MONTHS = 3, 2

WITHIN_OWN_GAP = f"""
SELECT segment_id, COUNT(*) FILTER (recency_days <= mean_gap_days) / COUNT(*)
FROM {CUSTOMER_SEGMENTS.name} AS assigned
JOIN features.customer_features AS features USING (as_of, customer_id)
WHERE as_of = $as_of
GROUP BY segment_id
"""
"""Independent of how the expected gap is made: those who ordered within the plain mean of their own gaps."""

RENAMED = "SELECT segment_id, former_name FROM registry.segment_renamings WHERE as_of = $as_of"

Row = dict[str, object]


def run(shops: Sequence[Shop], quick: bool) -> Part:
    """Train, assign month by month, and count."""
    words: list[Row] = []
    segments: list[Row] = []
    summaries: list[Row] = []
    for shop in shops:
        with copied(shop, quick) as lake:
            dates = _dates(shop, quick)
            _serve(lake, dates[0])
            shop_words: list[Row] = []
            for as_of in dates:
                write_segments(lake, as_of, COMMIT)
                shop_words += _words(lake, shop, as_of)
            segments += _profiles(lake, shop, dates)
            words += shop_words
            summaries.append(_summary(lake, shop, shop_words))
    tables = [
        table_of("Names, descriptions and advice", segments),
        table_of("Share of members per word", [each for each in words if each["as_of"] in _ends(words)]),
        table_of("Names by shop", summaries),
    ]
    return Part(tables, [*words, *summaries], _targets(summaries))


@contextmanager
def copied(shop: Shop, quick: bool) -> Iterator[Lake]:
    """A copy of a shop's lake to train in."""
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder) / "lake"
        shutil.copytree(shop.lake.settings.home, home)
        changed = {"home": home, "tracking_uri": "off", **({"search_trials": QUICK_TRIALS} if quick else {})}
        with Lake(shop.lake.settings.model_copy(update=changed)) as lake:
            yield lake


def _dates(shop: Shop, quick: bool) -> list[date]:
    first = shop.recipe.judged[0]
    later = [each for each in shop.recipe.months if each >= first]
    return later[: QUICK_MONTHS + 1] if quick else later


def _serve(lake: Lake, as_of: date) -> None:
    """Train a model and let it serve, whatever the gates say: its names are what counts here."""
    now = utc_now()
    model = train(lake, make_training_set(lake, as_of, COMMIT, now=now), lake.settings)
    version = registry.register(lake, model.artefact, model.metrics, COMMIT, model.lineage, now=now)
    registry.promote(lake, version or 1, alias="champion", actor="benchmark", reason="", commit=COMMIT, now=now)


def _words(lake: Lake, shop: Shop, as_of: date) -> list[Row]:
    """How far every word holds, and how many of those called cooling or lapsed are within their rhythm."""
    with lake.cursor() as con:
        found = read_truth(con, as_of)
        own_gap = dict(con.execute(WITHIN_OWN_GAP, {"as_of": as_of}).fetchall())
        assigned = f"(FROM {CUSTOMER_SEGMENTS.name} WHERE as_of = DATE '{as_of}')"
        prepare(con, with_features(assigned, as_of))
        held = shares(con, [BY_LABEL["cooling"]])
        renamed = dict(con.execute(RENAMED, {"as_of": as_of}).fetchall())
    within = dict(zip(held.segments, held.within_rhythm.tolist(), strict=True))
    return [
        {
            "contender": shop.recipe.title,
            "case": each.word,
            "as_of": str(as_of),
            "segment": each.segment_name,
            "was": renamed.get(each.segment_id),
            "members": each.inside,
            "elsewhere": each.elsewhere,
            "true": each.is_true,
            "within_rhythm": within[each.segment_id] if _is_away(each.word) else None,
            "within_mean_gap": own_gap[each.segment_id] if _is_away(each.word) else None,
        }
        for each in found
    ]


def _profiles(lake: Lake, shop: Shop, dates: Sequence[date]) -> list[Row]:
    profiles = write_profiles(lake, dates[-1], COMMIT)
    columns = ["segment_id", "segment_name", "customer_share", "revenue_share", "description", "advice"]
    return [{"shop": shop.recipe.name, "as_of": str(dates[-1]), **row} for row in profiles.select(columns).to_dicts()]


def _summary(lake: Lake, shop: Shop, words: Sequence[Row]) -> Row:
    away = [each for each in words if each["within_rhythm"] is not None]
    with lake.cursor() as con:
        names = con.execute(f"SELECT DISTINCT as_of, segment_id, segment_name FROM {CUSTOMER_SEGMENTS.name}").fetchall()
        renamed = con.execute("SELECT COUNT(*) FROM registry.segment_renamings").fetchall()[0][0]
    return {
        "contender": shop.recipe.title,
        "case": "all snapshots",
        "snapshots": len({as_of for as_of, _, _ in names}),
        "names": len(names),
        "renamed": renamed,
        "nothing_claimed": sum(not words_of(name) for _, _, name in names),
        "words": len(words),
        "untrue_words": sum(not each["true"] for each in words),
        "least_true_of": min(float(str(each["members"])) for each in words),
        "most_away_within_rhythm": max((float(str(each["within_rhythm"])) for each in away), default=0.0),
        "most_away_within_mean_gap": max((float(str(each["within_mean_gap"])) for each in away), default=0.0),
    }


def _ends(words: Sequence[Row]) -> set[object]:
    """The first and the last date of each shop; the JSON has all."""
    shops = {each["contender"] for each in words}
    dates = {shop: sorted({str(each["as_of"]) for each in words if each["contender"] == shop}) for shop in shops}
    return {end for found in dates.values() for end in (found[0], found[-1])}


def _is_away(word: str) -> bool:
    return word in BY_LABEL and BY_LABEL[word].is_away


def _targets(summaries: Sequence[Row]) -> list[Target]:
    def worst(key: str) -> float:
        return max(float(str(each[key])) for each in summaries)

    least = min(float(str(each["least_true_of"])) for each in summaries)
    return [
        at_least("share of members of whom a word is true, at worst", TRUE_SHARE, least, ""),
        at_most("words of names that are untrue", 0, worst("untrue_words"), ""),
        at_most(
            "of those called cooling or lapsed, within their own rhythm",
            WITHIN_RHYTHM,
            worst("most_away_within_rhythm"),
            "",
        ),
        at_most("… within the plain mean of their own gaps", WITHIN_RHYTHM, worst("most_away_within_mean_gap"), ""),
        at_most("names that claim nothing", 0, worst("nothing_claimed"), ""),
    ]
