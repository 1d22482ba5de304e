"""Declared sources (`sources.yaml`), each an asset of its own: those that are read, and those that come by themselves.

Reading is the domain's; here it is given a name in the graph, a schedule and figures that people see.
"""

from collections.abc import Sequence
from datetime import timedelta

import dagster as dg

from segmentation.errors import SourceError
from segmentation.sources.config import KafkaSource, PushSource, SourceConfig
from segmentation.sources.reading import Reading, read
from segmentation_assets.keys import source_key
from segmentation_assets.metadata import markdown_table
from segmentation_assets.progress import narrator
from segmentation_assets.resources import WarehouseResource

GROUP = "sources"
KINDS = {"files": "file", "postgres": "postgres", "mysql": "mysql", "push": "rest", "kafka": "kafka"}


def build_source_assets(sources: Sequence[SourceConfig]) -> list[dg.AssetsDefinition | dg.AssetSpec]:
    """An asset per declared source.

    Raises:
        SourceError: Two of them would be the same asset.
    """
    assets = {source_key(source.name): build_asset(source) for source in sources}
    if len(assets) < len(sources):
        raise SourceError("Two sources have names that Dagster can't tell apart; use letters, digits and underscores.")
    return list(assets.values())


def is_read(source: SourceConfig) -> bool:
    """Whether the platform fetches its lines; the others come by themselves."""
    return not isinstance(source, PushSource | KafkaSource)


def build_asset(source: SourceConfig) -> dg.AssetsDefinition | dg.AssetSpec:
    """The asset of a source: one that reads it, or one that is told of what has come."""
    spec = dg.AssetSpec(
        source_key(source.name),
        group_name=GROUP,
        kinds={KINDS.get(source.type, "python"), "ducklake"},
        description=source.description or f"The source `{source.name}`, of type {source.type}.",
        metadata={"source": source.name, "type": source.type, "profile": source.profile},
        freshness_policy=_freshness(source),
    )
    if not is_read(source):
        return spec

    @dg.multi_asset(specs=[spec], name="__".join(spec.key.path))
    def read_source(context: dg.AssetExecutionContext, warehouse: WarehouseResource) -> dg.MaterializeResult[None]:
        with narrator(context) as tell:
            found = read(warehouse.settings(), source, tell=tell)
        for path, problem in found.problems:
            context.log.error(f"{path}: {problem}")
        return dg.MaterializeResult(metadata=metadata_of(found))

    return read_source


def metadata_of(found: Reading) -> dict[str, dg.MetadataValue]:
    """What people see of a reading."""
    days = (
        {
            "first_day": dg.MetadataValue.text(str(found.first_day)),
            "last_day": dg.MetadataValue.text(str(found.last_day)),
        }
        if (found.first_day and found.last_day)
        else {}
    )
    problems = markdown_table(["file", "problem"], [(path, problem) for path, problem in found.problems])
    reasons: dict[str, int] = {}
    for receipt in found.receipts:
        for reason, lines in receipt.rejected_by_reason.items():
            reasons[reason] = reasons.get(reason, 0) + lines
    return {
        **({name: dg.MetadataValue.int(lines) for name, lines in found.lines().items()} if found.receipts else {}),
        **({"rejected_by_reason": dg.MetadataValue.json(reasons)} if reasons else {}),
        "files": dg.MetadataValue.json(list(found.files)),
        "unreadable_files": dg.MetadataValue.md(problems if found.problems else "none"),
        **days,
    }


def _freshness(source: SourceConfig) -> dg.FreshnessPolicy | None:
    if source.fresh_within_hours is None:
        return None
    return dg.FreshnessPolicy.time_window(fail_window=timedelta(hours=source.fresh_within_hours))
