"""How an asset is declared: from its table or view, and the function that writes it."""

import inspect
from collections.abc import Callable, Iterable
from typing import Any

import dagster as dg

from segmentation.metadata.table import Relation
from segmentation_assets.keys import table_key
from segmentation_assets.metadata import column_metadata

Dependency = dg.AssetKey | dg.AssetDep


def table_spec(
    table: Relation,
    deps: Iterable[Dependency],
    kinds: Iterable[str] = ("ducklake",),
    *,
    description: str | None = None,
    condition: dg.AutomationCondition[Any] | None = None,
    code_version: str | None = None,
) -> dg.AssetSpec:
    """The asset of a table or a view.

    Args:
        table: Its schema is the asset's group, its comment the description unless there is another.
        deps: What it is made of.
        kinds: What Dagster's UI marks it with.
        description: What one row is.
        condition: When automation materializes it; never if None.
        code_version: Version of the code that makes it, if that is kept.
    """
    return dg.AssetSpec(
        table_key(table),
        deps=deps,
        kinds=set(kinds),
        group_name=table.schema,
        description=description or table.comment,
        metadata=column_metadata(table),
        automation_condition=condition,
        code_version=code_version,
    )


def declare(
    compute: Callable[..., Any], *specs: dg.AssetSpec, partitions: dg.PartitionsDefinition[str] | None = None
) -> dg.AssetsDefinition:
    """Assets that one function writes, all in one run, also over a range of partitions.

    Args:
        compute: Writes them; its docstring describes an asset whose spec doesn't.
        specs: The assets. The step is named after the only one, else after the function.
        partitions: How they are partitioned.
    """
    described = [
        spec if spec.description else spec.replace_attributes(description=inspect.getdoc(compute)) for spec in specs
    ]
    return dg.multi_asset(
        name="__".join(specs[0].key.path) if len(specs) == 1 else compute.__name__,
        specs=described,
        partitions_def=partitions,
        backfill_policy=dg.BackfillPolicy.single_run(),
    )(compute)
