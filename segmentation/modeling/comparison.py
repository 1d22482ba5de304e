"""Two versions side by side, and one version beside what its provenance makes again."""

from dataclasses import dataclass

import numpy as np
import polars as pl

from segmentation.modeling import registry
from segmentation.modeling.artefact import Artefact, Segment
from segmentation.modeling.registry import ModelVersion
from segmentation.modeling.training import rebuild
from segmentation.warehouse import Lake


@dataclass(frozen=True)
class Reproduction:
    """Whether a version could be made again.

    Attributes:
        version: The version.
        expected: Hash in the registry.
        found: Hash of what was made.
        differences: Where the two differ, in words; empty if they are the same.
    """

    version: int
    expected: str
    found: str
    differences: tuple[str, ...]

    @property
    def is_same(self) -> bool:
        """Whether every bit of the fitted content is the same."""
        return self.expected == self.found


def reproduce(lake: Lake, version: int) -> Reproduction:
    """Train a version again from its pinned snapshot, specification and seed, and compare hashes. Writes nothing.

    Raises:
        SegmentationError: There is no such version, it does not say how it was made, or its snapshot has been expired.
    """
    with lake.cursor() as con:
        model = registry.load(con, version, named=False)
    again = rebuild(lake, model).artefact
    differences = () if again.model_hash == model.model_hash else tuple(_differences(model.artefact, again))
    return Reproduction(version, model.model_hash, again.model_hash, differences)


def differences(before: ModelVersion, after: ModelVersion) -> dict[str, pl.DataFrame]:
    """What differs between two versions.

    Returns:
        Tables by name. `provenance`: what they were made of. `features`: how each feature is scaled, and what it weighs
        on the axes. `figures`: their metrics. `segments`: which there are, with the distance that each centroid moved
        where the two spaces are the same.
    """
    return {
        "provenance": _provenance(before, after),
        "features": _features(before.artefact, after.artefact),
        "figures": _figures(before, after),
        "segments": _segments(before.artefact, after.artefact),
    }


def _provenance(before: ModelVersion, after: ModelVersion) -> pl.DataFrame:
    rows = []
    facts = [_facts(before), _facts(after)]
    for name in sorted({*facts[0], *facts[1]}):
        left, right = (fact.get(name, "") for fact in facts)
        if left != right:
            rows.append((name, left, right))
    return pl.DataFrame(rows, schema=["what", "before", "after"], orient="row")


def _facts(model: ModelVersion) -> dict[str, str]:
    provenance = model.artefact.provenance
    specification = provenance.specification.parameters() if provenance.specification else {}
    return {
        "as_of": str(provenance.as_of),
        "lake_snapshot": str(provenance.lake_snapshot),
        "training_set_id": provenance.training_set_id,
        "seed": str(provenance.seed),
        "settings_hash": provenance.settings_hash,
        "git_commit": provenance.git_commit,
        **{name: str(value) for name, value in specification.items()},
    }


def _features(before: Artefact, after: Artefact) -> pl.DataFrame:
    sides = [_by_feature(artefact) for artefact in (before, after)]
    rows = []
    for name in dict.fromkeys([*before.feature_names, *after.feature_names]):
        left, right = (side.get(name) for side in sides)
        rows.append((name, *(left or (None,) * 4), *(right or (None,) * 4)))
    columns = ("center", "scale", "upper", "weight")
    schema = ["feature", *(f"{column}_before" for column in columns), *(f"{column}_after" for column in columns)]
    return pl.DataFrame(rows, schema=schema, orient="row", infer_schema_length=None)


def _by_feature(artefact: Artefact) -> dict[str, tuple[float, float, float, float]]:
    """Per feature: center, scale, upper cap, and the length of its column in the projection."""
    count = len(artefact.rules)
    axes = np.eye(count) if artefact.projection is None else np.array(artefact.projection)
    weights = np.linalg.norm(axes, axis=0)
    return {r.name: (r.center, r.scale, r.upper, float(w)) for r, w in zip(artefact.rules, weights, strict=True)}


def _figures(before: ModelVersion, after: ModelVersion) -> pl.DataFrame:
    names = [n for n in dict.fromkeys([*before.metrics, *after.metrics]) if not n.startswith("stability_")]
    rows = [(name, before.metrics.get(name), after.metrics.get(name)) for name in names]
    return pl.DataFrame(rows, schema={"figure": pl.String, "before": pl.Float64, "after": pl.Float64}, orient="row")


def _segments(before: Artefact, after: Artefact) -> pl.DataFrame:
    same_space = before.rules == after.rules and before.projection == after.projection
    sides = [{segment.id: segment for segment in artefact.segments} for artefact in (before, after)]
    rows = []
    for identity in sorted({*sides[0], *sides[1]}):
        left, right = sides[0].get(identity), sides[1].get(identity)
        moved = _distance(left, right) if same_space and left and right else None
        event = "kept" if left and right else "gone" if left else "new"
        rows.append((identity, left and left.name, right and right.name, event, moved))
    schema = {"id": pl.Int64, "before": pl.String, "after": pl.String, "event": pl.String, "moved": pl.Float64}
    return pl.DataFrame(rows, schema=schema, orient="row")


def _distance(left: Segment, right: Segment) -> float:
    return float(np.linalg.norm(np.array(left.centroid) - np.array(right.centroid)))


def _differences(expected: Artefact, found: Artefact) -> list[str]:
    said = []
    for one, other in zip(expected.rules, found.rules, strict=False):
        if one != other:
            said.append(f"rule of {one.name}: {one} became {other}")
    if expected.feature_names != found.feature_names:
        said.append(f"features: {', '.join(expected.feature_names)} became {', '.join(found.feature_names)}")
    if expected.projection != found.projection:
        said.append("the projection differs")
    for left, right in zip(expected.segments, found.segments, strict=False):
        changed = [name for name in left.__struct_fields__ if getattr(left, name) != getattr(right, name)]
        if changed:
            said.append(f"segment {left.id} {left.name!r}: another {', '.join(changed)}")
    if len(expected.segments) != len(found.segments):
        said.append(f"{len(expected.segments)} segments became {len(found.segments)}")
    return said or ["the format differs"]
