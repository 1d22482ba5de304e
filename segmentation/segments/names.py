"""Names put to the test at every snapshot: each word on the customers assigned, and another name where one fails.

The words and their conditions are in `segmentation.metadata.vocabulary`; how a name is chosen is in
`segmentation.modeling.segment_identity.naming`. Names that people gave are tested, too, but never changed.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime

import duckdb

from segmentation.metadata.tables.features import CUSTOMER_FEATURES
from segmentation.metadata.tables.segments import CUSTOMER_SEGMENTS, of_model
from segmentation.metadata.vocabulary import NAMED_FROM, Claim, mentioned, words_of
from segmentation.modeling import registry
from segmentation.modeling.registry import ModelVersion
from segmentation.modeling.segment_identity.naming import choose_names
from segmentation.modeling.segment_identity.renamings import Renaming, names_in_force, record_renamings
from segmentation.modeling.segment_identity.truth import Shares, prepare, shares
from segmentation.warehouse import Commit

UNTOLD = "its name was made by other rules, or claimed nothing"


@dataclass(frozen=True)
class WordTruth:
    """How far one word of a segment's name holds at a snapshot.

    Attributes:
        segment_id: The segment.
        segment_name: Its name.
        word: The word.
        inside: Share of its customers of whom the word is true.
        elsewhere: Share of all other customers of whom it is.
        is_true: Whether the segment may be called so.
        is_given: Whether a person gave the name.
    """

    segment_id: int
    segment_name: str
    word: str
    inside: float
    elsewhere: float
    is_true: bool
    is_given: bool


def with_features(assigned: str, as_of: date) -> str:
    """A relation of customers with their segment and what words are about.

    Args:
        assigned: A relation with `customer_id` and `segment_id`, of that date.
        as_of: The snapshot of features.
    """
    columns = ", ".join(f"features.{name}" for name in NAMED_FROM)
    return (
        f"(SELECT assigned.customer_id, assigned.segment_id, {columns} FROM {assigned} AS assigned "
        f"JOIN {CUSTOMER_FEATURES.name} AS features ON features.customer_id = assigned.customer_id "
        f"AND features.as_of = DATE '{as_of}')"
    )


def settle_names(
    con: duckdb.DuckDBPyConnection, assigned: str, as_of: date, model: ModelVersion
) -> tuple[dict[int, str], list[Renaming]]:
    """The names of a model's segments at a snapshot: those in force, or other ones where a word is no longer true.

    Args:
        con: A cursor of the lake that has the relation.
        assigned: A relation with `customer_id` and `segment_id`.
        as_of: The snapshot.
        model: The model that decided.

    Returns:
        The names by id, and those that changed.
    """
    given = registry.segment_names(con)
    trained = {s.id: s.name for s in registry.load(con, model.version, named=False).artefact.segments}
    current = {**trained, **names_in_force(con, as_of).get(model.version, {})}
    prepare(con, with_features(assigned, as_of))
    if model.artefact.provenance.stand_in:  # its names are the rules themselves
        return {**current, **{i: given[i] for i in trained if i in given}}, []
    tested = [identity for identity in trained if identity not in given]
    names, held = choose_names(con, tested, current, [given[i] for i in trained if i in given])
    renamings = [
        Renaming(identity, current[identity], name, _reason(held, identity, words_of(current[identity]) or ()))
        for identity, name in names.items()
        if name != current[identity]
    ]
    return {**names, **{i: given[i] for i in trained if i in given}}, renamings


def record(
    con: duckdb.DuckDBPyConnection,
    renamings: Sequence[Renaming],
    as_of: date,
    model: ModelVersion,
    commit: Commit,
    now: datetime,
) -> None:
    """Put renamings on record, in the transaction that writes the snapshot."""
    trained, run = model.artefact.provenance.as_of, commit.run_id
    record_renamings(con, renamings, version=model.version, trained_as_of=trained, as_of=as_of, run_id=run, now=now)


def rename_written(
    con: duckdb.DuckDBPyConnection, as_of: date, model: ModelVersion, commit: Commit, now: datetime
) -> None:
    """Test the names of a snapshot in the transaction that has just written it, and change them there: for Spark."""
    there = f"(SELECT customer_id, segment_id FROM {of_model(CUSTOMER_SEGMENTS)} WHERE as_of = DATE '{as_of}')"
    names, renamings = settle_names(con, there, as_of, model)
    for identity, name in names.items():
        con.execute(
            f"UPDATE {CUSTOMER_SEGMENTS.name} SET segment_name = $name "
            f"WHERE as_of = DATE '{as_of}' AND segment_id = $id AND segment_name <> $name",
            {"name": name, "id": identity},
        )
    record(con, renamings, as_of, model, commit, now)


def read_truth(con: duckdb.DuckDBPyConnection, as_of: date) -> list[WordTruth]:
    """How far each word of each name holds, of the segments that have customers as of a date.

    Of a name that a person gave, the words of the vocabulary that occur in it are tested. Of the rules of a stand-in, a
    word has to be true of everybody in the segment, whatever it is elsewhere.
    """
    rows = con.execute(
        f"SELECT DISTINCT segment_id, segment_name, model_version FROM {of_model(CUSTOMER_SEGMENTS)} "
        f"WHERE as_of = DATE '{as_of}' ORDER BY segment_id"
    ).fetchall()
    models = [registry.load(con, version) for version in sorted({version for _, _, version in rows})]
    rules = {model.version for model in models if model.artefact.provenance.stand_in}
    given = registry.segment_names(con)
    claims: dict[int, tuple[Claim, ...]] = {}
    for identity, name, _ in rows:
        known = words_of(name)
        claims[identity] = mentioned(name) if known is None else known
    prepare(con, with_features(f"(FROM {of_model(CUSTOMER_SEGMENTS)} WHERE as_of = DATE '{as_of}')", as_of))
    held = shares(con, list(dict.fromkeys(claim for each in claims.values() for claim in each)))
    return [
        WordTruth(
            identity,
            name,
            claim.label,
            *held.of(identity, claim),
            held.of(identity, claim)[0] == 1.0 if version in rules else held.is_true(identity, claim),
            given.get(identity) == name,
        )
        for identity, name, version in rows
        if identity in held.segments
        for claim in claims[identity]
    ]


def _reason(held: Shares, segment_id: int, claims: Sequence[Claim]) -> str:
    untrue = [claim for claim in claims if not held.is_true(segment_id, claim)]
    if segment_id not in held.segments or not untrue:
        return UNTOLD
    told = []
    for claim in untrue:
        inside, elsewhere = held.of(segment_id, claim)
        told.append(f"“{claim.label}” is true of {inside:.0%} of its customers, and of {elsewhere:.0%} elsewhere")
    return "; ".join(told)
