"""`segmentation models`: the commands about the versions of the model."""

import getpass
import json
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import polars as pl
import typer
import yaml
from rich.markup import escape
from rich.table import Table

from segmentation.cli.model_migration import show_migration
from segmentation.cli.output import JsonFlag, console, print_json, table_of
from segmentation.clock import utc_now
from segmentation.errors import SegmentationError
from segmentation.modeling import registry
from segmentation.modeling.registry import ModelVersion
from segmentation.settings import load_settings
from segmentation.warehouse import Commit, Lake

models = typer.Typer(
    help="Look at the versions of the model, and choose the one that serves.\n\n"
    "A version is named by its number or by an alias: `champion` serves, `candidate` was trained last.\n\n"
    "For example: segmentation models list",
    no_args_is_help=True,
)
LOOK, DECIDE = "Look", "Decide"
LEDGER_PANEL = "For the ledger"


@models.command("list", rich_help_panel=LOOK)
def list_models(as_json: JsonFlag = False) -> None:
    """List all versions of the model.

    For example: segmentation models list
    """
    with Lake(load_settings(), read_only=True) as lake, lake.cursor() as con:
        versions = registry.list_models(con)
    if as_json:
        print_json([_summary(version) for version in versions])
        return
    table = Table("version", "aliases", "as of", "segments", "separation", "stability", "created")
    for version in versions:
        metrics = version.metrics
        table.add_row(
            str(version.version),
            ", ".join([*version.aliases, *(["(stand-in)"] if version.artefact.provenance.stand_in else [])]),
            str(version.artefact.provenance.as_of),
            str(len(version.artefact.segments)),
            f"{metrics['simplified_silhouette']:.3f}",
            f"{metrics['stability']:.3f}",
            f"{version.created_at:%Y-%m-%d %H:%M}",
        )
    console.print(table if versions else "No model yet; `segmentation materialize` trains one.")


@models.command("show", rich_help_panel=LOOK)
def show_model(
    version: Annotated[str, typer.Argument(help="A version number, or an alias.")] = "champion",
    as_json: JsonFlag = False,
) -> None:
    """Show one version: its segments, features and figures.

    For example: segmentation models show candidate
    """
    with Lake(load_settings(), read_only=True) as lake, lake.cursor() as con:
        number = registry.number_of(con, version)
        found = registry.load(con, number)
    if as_json:
        print_json({**_summary(found), "artefact": json.loads(found.artefact.to_json())})
        return
    provenance = found.artefact.provenance
    console.print(
        f"[bold]Model {found.version}[/] ({', '.join(found.aliases) or 'no alias'}), as of {provenance.as_of}, "
        f"lake snapshot {provenance.lake_snapshot}, hash {found.model_hash[:12]}",
    )
    if provenance.stand_in:
        console.print(f"[yellow]A stand-in: named rules instead of a fitted model.[/] {escape(provenance.stand_in)}")
    segments = Table("id", "segment", "description")
    for segment in found.artefact.segments:
        segments.add_row(str(segment.id), escape(segment.name), escape(segment.description))
    console.print(segments)
    console.print("Features: " + ", ".join(found.artefact.feature_names))
    console.print("Figures: " + ", ".join(f"{k} {v:.3g}" for k, v in found.metrics.items()))


Reason = Annotated[str, typer.Option(help="Why; the ledger keeps it.", rich_help_panel=LEDGER_PANEL)]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Only show who would change segment; write nothing.")]
Actor = Annotated[str | None, typer.Option(help="Who decides; the user if left out.", rich_help_panel=LEDGER_PANEL)]


@models.command("promote", rich_help_panel=DECIDE)
def promote_model(
    version: Annotated[str, typer.Argument(help="A version number, or an alias.")] = "candidate",
    reason: Reason = "",
    override: Annotated[bool, typer.Option(help="Promote it although a gate refuses; needs --reason.")] = False,
    dry_run: DryRun = False,
    actor: Actor = None,
    as_json: JsonFlag = False,
) -> None:
    """Make a version the champion, if it passes its gates.

    For example: segmentation models promote 3 --reason 'agreed with marketing'
    """
    from segmentation.modeling import lifecycle  # gates need scikit-learn, which the scorer's image lacks
    from segmentation.modeling.movement import movement

    with Lake(load_settings()) as lake:
        with lake.cursor() as con:
            number, serving = registry.number_of(con, version), registry.resolve(con, "champion")
        if serving is not None and number != serving and (dry_run or not as_json):
            _show_movement(movement(lake, serving, number), serving, number, as_json)
        if dry_run:
            return
        commit = Commit(f"models promote {number}", asset="training/champion_model")
        promotion = lifecycle.promote(
            lake,
            number,
            actor=actor or getpass.getuser(),
            commit=commit,
            now=utc_now(),
            reason=reason,
            override=override,
        )
    is_new = promotion is not None
    if as_json:
        typer.echo(json.dumps({"champion": number, "is_new": is_new}))
    else:
        console.print(f"Model {number} is champion{'' if is_new else ' already'}.")


@models.command("rollback", rich_help_panel=DECIDE)
def roll_back_model(
    reason: Reason = "",
    dry_run: DryRun = False,
    expected: Annotated[
        int | None, typer.Option("--from", min=1, help="Only if this version is champion; any if left out.")
    ] = None,
    actor: Actor = None,
    as_json: JsonFlag = False,
) -> None:
    """Make the version champion again that served before.

    For example: segmentation models rollback --reason 'complaints' --dry-run
    """
    with Lake(load_settings()) as lake:
        if dry_run or not as_json:
            from segmentation.modeling.movement import movement

            with lake.cursor() as con:
                serving, earlier = registry.champions(con)
            _show_movement(movement(lake, serving, earlier), serving, earlier, as_json)
        if dry_run:
            return
        commit = Commit("models rollback", asset="training/champion_model")
        serving, earlier = registry.roll_back(
            lake, actor=actor or getpass.getuser(), reason=reason, commit=commit, now=utc_now(), expected=expected
        )
    if as_json:
        typer.echo(json.dumps({"champion": earlier, "is_new": True}))
    else:
        console.print(f"Model {earlier} is champion again, instead of {serving}.")


@models.command("reproduce", rich_help_panel=LOOK)
def reproduce_model(
    version: Annotated[str, typer.Argument(help="A version number, or an alias.")] = "champion",
    as_json: JsonFlag = False,
) -> None:
    """Train a version again from its pinned snapshot, and compare hashes; exit code 1 if they differ.

    For example: segmentation models reproduce champion
    """
    from segmentation.modeling.comparison import reproduce

    with Lake(load_settings(), read_only=True) as lake:
        with lake.cursor() as con:
            number = registry.number_of(con, version)
        found = reproduce(lake, number)
    if as_json:
        print_json({**asdict(found), "is_same": found.is_same})
    elif found.is_same:
        console.print(f"[green]Model {number} is reproduced[/]: {found.found}", soft_wrap=True)
    else:
        lines = "\n".join(f"  {escape(difference)}" for difference in found.differences)
        console.print(
            f"[red]Model {number} is not reproduced[/]: the registry has {found.expected}, training gave "
            f"{found.found}.\n{lines}",
            soft_wrap=True,
        )
    if not found.is_same:
        raise typer.Exit(1)


@models.command("diff", rich_help_panel=LOOK)
def diff_models(
    before: Annotated[str, typer.Argument(help="A version number, or an alias.")] = "champion",
    after: Annotated[str, typer.Argument(help="Another one.")] = "candidate",
    as_json: JsonFlag = False,
) -> None:
    """Compare two versions: what they were made of, features, figures, segments, and who is in which.

    For example: segmentation models diff champion candidate
    """
    from segmentation.modeling.comparison import differences
    from segmentation.modeling.movement import movement

    with Lake(load_settings(), read_only=True) as lake:
        with lake.cursor() as con:
            numbers = registry.number_of(con, before), registry.number_of(con, after)
            tables = differences(*(registry.load(con, number) for number in numbers))
        moves = movement(lake, *numbers)
    if as_json:
        shown = {name: table.to_dicts() for name, table in {**tables, "customers": moves}.items()}
        print_json(shown)
        return
    for name, table in tables.items():
        console.print(f"[bold]{name}[/]")
        console.print(table_of(table) if table.height else "the same")
    console.print("[bold]customers[/] of the newest snapshot")
    _show_movement(moves, *numbers)


models.command("migration", rich_help_panel=LOOK)(show_migration)


@models.command("rename", rich_help_panel=DECIDE)
def rename_segments(
    segment: Annotated[int | None, typer.Argument(help="Id of the segment.")] = None,
    name: Annotated[str | None, typer.Argument(help="Its new name; '' for the trained one.")] = None,
    file: Annotated[
        Path | None, typer.Option("--file", "-f", help="A YAML file of names by id, such as `3: Loyal`.")
    ] = None,
    reason: Reason = "",
) -> None:
    """Give segments names of your own; they survive retraining.

    For example: segmentation models rename 3 Loyal --reason 'so says marketing'
    """
    if (segment is None) == (file is None) or (segment is not None and name is None):
        raise SegmentationError("Give a segment's id and its new name, or --file with a YAML file.")
    names = _read_names(file) if file else {segment or 0: name or ""}
    with Lake(load_settings()) as lake:
        commit = Commit("models rename", asset="registry/segment_names")
        changed = registry.rename_segments(
            lake, names, actor=getpass.getuser(), reason=reason, commit=commit, now=utc_now()
        )
    for identity, (old, new) in changed.items():
        console.print(f"Segment {identity}: {escape(old)} → {escape(new)}")
    if not changed:
        console.print("Those are their names already.")


def _read_names(file: Path) -> dict[int, str]:
    try:
        found = yaml.safe_load(file.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise SegmentationError(f"Can't read {file}: {error}") from error
    is_map = isinstance(found, dict) and all(
        isinstance(key, int) and isinstance(value, str) for key, value in found.items()
    )
    if not is_map:
        raise SegmentationError(f"{file} must map segment ids to names, such as `3: Loyal`.")
    return dict(found)


def _show_movement(moves: pl.DataFrame, before: int, after: int, as_json: bool = False) -> None:
    if as_json:
        print_json(moves.to_dicts())
        return
    table = Table(f"segment of model {before}", f"of model {after}", "customers", "share", "net revenue")
    total = int(moves["customers"].sum())
    stay = int(moves.filter(pl.col("from_id") == pl.col("to_id"))["customers"].sum())
    for row in moves.iter_rows(named=True):
        style = "dim" if row["from_id"] == row["to_id"] else None
        share = f"{row['customers'] / total:.1%}"
        cells = (row["from_segment"], row["to_segment"], f"{row['customers']:,}", share, f"{row['revenue']:,.0f}")
        table.add_row(*map(escape, cells), style=style)
    console.print(table)
    console.print(f"{total - stay:,} of {total:,} customers would change segment ({1 - stay / total:.1%}).")


def _summary(version: ModelVersion) -> dict[str, object]:
    return {
        "version": version.version,
        "aliases": list(version.aliases),
        "as_of": str(version.artefact.provenance.as_of),
        "model_hash": version.model_hash,
        "segments": len(version.artefact.segments),
        "stand_in": version.artefact.provenance.stand_in,
        "metrics": version.metrics,
        "created_at": version.created_at.isoformat(),
    }
