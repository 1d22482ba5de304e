"""The `segmentation` command: what needs only the domain. Pipeline and scorer add theirs through entry points.

Exit codes: 0 done, 1 could not be done (the message says why), 2 wrongly called.
"""

import getpass
import json
import sys
from dataclasses import asdict
from enum import StrEnum
from importlib.metadata import entry_points
from pathlib import Path
from typing import Annotated, NoReturn

import duckdb
import polars as pl
import typer
import yaml
from rich.console import Console
from rich.markup import escape
from rich.table import Table as RichTable

import segmentation
from segmentation.cli.backup import backup, restore
from segmentation.cli.explain import explain
from segmentation.cli.keys import keys
from segmentation.cli.notify import notify
from segmentation.cli.score import score
from segmentation.cli.sources import sources
from segmentation.clock import utc_now
from segmentation.diagnosis import diagnose
from segmentation.errors import SegmentationError
from segmentation.housekeeping import keep_house
from segmentation.modeling import registry
from segmentation.modeling.registry import ModelVersion
from segmentation.settings import load_settings
from segmentation.warehouse import Commit, Lake
from segmentation.warehouse.object_stores import meaning_of
from segmentation.warehouse.schema import migrate

app = typer.Typer(
    name="segmentation",
    help="From raw transactions to customer segments that people can trust and act on.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
models = typer.Typer(help="Look at the versions of the model, and choose the one that serves.", no_args_is_help=True)
app.add_typer(models, name="models")
app.add_typer(keys, name="keys")
app.add_typer(sources, name="sources")
app.command()(explain)
app.command()(score)
app.command()(backup)
app.command()(restore)
app.command()(notify)

console = Console() if sys.stdout.isatty() else Console(width=160)
errors = Console(stderr=True)

JsonFlag = Annotated[bool, typer.Option("--json", help="Print JSON, for programs.")]


class Format(StrEnum):
    """How query results are printed."""

    TABLE = "table"
    CSV = "csv"
    JSON = "json"
    PARQUET = "parquet"


def main() -> None:
    """Run the command; problems that a user can solve are printed without a traceback."""
    for command in entry_points(group="segmentation.commands"):
        try:
            register = command.load()
        except ModuleNotFoundError as error:
            if not _is_optional(error):
                raise
            continue
        register(app)
    try:
        app()
    except SegmentationError as error:
        _fail(str(error))
    except duckdb.IOException as error:
        meaning = meaning_of(error)
        if meaning is None:
            raise
        _fail(f"Can't read from object storage: {meaning}; `segmentation doctor` tries it out.")


def _fail(message: str) -> NoReturn:
    errors.print(f"[bold red]Error:[/] {escape(message)}", highlight=False, soft_wrap=True)
    sys.exit(1)


@app.callback(invoke_without_command=True)
def _root(
    version: Annotated[bool, typer.Option("--version", help="Print the version and leave.", is_eager=True)] = False,
) -> None:
    if version:
        console.print(segmentation.__version__, highlight=False)
        raise typer.Exit


@app.command()
def sql(
    query: Annotated[str | None, typer.Argument(help="The query; read from standard input if left out.")] = None,
    output_format: Annotated[
        Format, typer.Option("--format", "-f", help="`parquet` needs --output or a redirected output.")
    ] = Format.TABLE,
    output: Annotated[Path | None, typer.Option("--output", "-o", help="Write to a file.")] = None,
) -> None:
    """Ask the lake in SQL, read-only, also while pipelines run.

    For example: segmentation sql "SELECT * FROM segments.segment_profiles"
    """
    if query is None and sys.stdin.isatty():
        raise SegmentationError('Give a query: segmentation sql "SELECT …", or pipe one in.')
    text = query if query is not None else sys.stdin.read()
    if output_format is Format.PARQUET and output is None and sys.stdout.isatty():
        raise SegmentationError("Parquet is binary: give --output FILE, or redirect the output.")
    with Lake(load_settings(), read_only=True) as lake, lake.cursor() as con:
        try:
            con.execute(text)
            frame = con.pl() if con.description else pl.DataFrame()
        except duckdb.Error as error:
            raise SegmentationError(f"The query failed: {error}") from error
        except pl.exceptions.PolarsError as error:
            raise SegmentationError(
                f"The result has a column that can't be shown, such as an INTERVAL; cast it to VARCHAR. ({error})"
            ) from error
    try:
        _write(frame, output_format, output)
    except OSError as error:
        raise SegmentationError(f"Can't write the result: {error}") from error
    except pl.exceptions.PolarsError as error:
        raise SegmentationError(
            f"The result can't be written as {output_format}: {error}. Cast such columns to VARCHAR, or take another "
            "format."
        ) from error


@app.command()
def doctor(as_json: JsonFlag = False) -> None:
    """Check the installation, the settings and the lake; say what to do about what is wrong."""
    findings = diagnose(load_settings())
    if as_json:
        typer.echo(json.dumps([finding.__dict__ for finding in findings], indent=2))
    else:
        table = RichTable(box=None, show_header=False)
        for finding in findings:
            mark = "[green]ok[/]" if finding.is_ok else "[red]bad[/]"
            table.add_row(mark, finding.subject, finding.detail)
        console.print(table)
    if not all(finding.is_ok for finding in findings):
        raise typer.Exit(1)


@app.command()
def maintain(
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only show what would be done; change nothing.")] = False,
    as_json: JsonFlag = False,
) -> None:
    """Archive old models, let old snapshots of the lake expire, and tidy up its files.

    Snapshots that a kept model was trained on stay. Safe to interrupt, to repeat, and to run while others read and
    write.
    """
    now = utc_now()
    with Lake(load_settings(), read_only=dry_run) as lake:
        if not dry_run:
            migrate(lake)
        figures = keep_house(lake, now=now, actor=getpass.getuser(), dry_run=dry_run).figures()
    if as_json:
        typer.echo(json.dumps(figures, indent=2))
        return
    table = RichTable("would be done" if dry_run else "done", "")
    for name, figure in figures.items():
        table.add_row(name.replace("_", " "), "not known before" if figure is None else f"{figure:,}")
    console.print(table)


@models.command("list")
def list_models(as_json: JsonFlag = False) -> None:
    """List all versions of the model."""
    with Lake(load_settings(), read_only=True) as lake, lake.cursor() as con:
        versions = registry.list_models(con)
    if as_json:
        typer.echo(json.dumps([_summary(version) for version in versions], indent=2))
        return
    table = RichTable("version", "aliases", "as of", "segments", "separation", "stability", "created")
    for version in versions:
        metrics = version.metrics
        table.add_row(
            str(version.version),
            ", ".join(version.aliases),
            str(version.artefact.provenance.as_of),
            str(len(version.artefact.segments)),
            f"{metrics['simplified_silhouette']:.3f}",
            f"{metrics['stability']:.3f}",
            f"{version.created_at:%Y-%m-%d %H:%M}",
        )
    console.print(table if versions else "No model yet; `segmentation materialize` trains one.")


@models.command("show")
def show_model(
    version: Annotated[str, typer.Argument(help="A version number, or an alias.")] = "champion",
    as_json: JsonFlag = False,
) -> None:
    """Show one version: its segments, features and figures."""
    with Lake(load_settings(), read_only=True) as lake, lake.cursor() as con:
        number = registry.number_of(con, version)
        found = registry.load(con, number)
    if as_json:
        typer.echo(json.dumps({**_summary(found), "artefact": json.loads(found.artefact.to_json())}, indent=2))
        return
    provenance = found.artefact.provenance
    console.print(
        f"[bold]Model {found.version}[/] ({', '.join(found.aliases) or 'no alias'}), as of {provenance.as_of}, "
        f"lake snapshot {provenance.lake_snapshot}, hash {found.model_hash[:12]}",
        highlight=False,
    )
    segments = RichTable("id", "segment", "description")
    for segment in found.artefact.segments:
        segments.add_row(str(segment.id), segment.name, segment.description)
    console.print(segments)
    console.print("Features: " + ", ".join(found.artefact.feature_names), highlight=False)
    console.print("Figures: " + ", ".join(f"{k} {v:.3g}" for k, v in found.metrics.items()), highlight=False)


Reason = Annotated[str, typer.Option(help="Why; the ledger keeps it.")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Only show who would change segment; write nothing.")]
Actor = Annotated[str | None, typer.Option(help="Who decides, for the ledger; the user if left out.")]


@models.command("promote")
def promote_model(
    version: Annotated[str, typer.Argument(help="A version number, or an alias.")] = "candidate",
    reason: Reason = "",
    override: Annotated[bool, typer.Option(help="Although a gate refuses it; needs a reason.")] = False,
    dry_run: DryRun = False,
    actor: Actor = None,
    as_json: JsonFlag = False,
) -> None:
    """Make a version the champion, if it passes its gates.

    For example: segmentation models promote 3 --reason 'agreed with marketing'
    """
    from segmentation.modeling import lifecycle  # gates need scikit-learn, which the scorer's image lacks

    with Lake(load_settings()) as lake:
        with lake.cursor() as con:
            number, serving = registry.number_of(con, version), registry.resolve(con, "champion")
        if serving is not None and number != serving and (dry_run or not as_json):
            _show_movement(lifecycle.movement(lake, serving, number), serving, number, as_json)
        if dry_run:
            return
        commit = Commit(f"models promote {number}", asset="training/champion_model")
        is_new = lifecycle.promote(
            lake, number, actor=actor or getpass.getuser(), commit=commit, reason=reason, override=override
        )
    if as_json:
        typer.echo(json.dumps({"champion": number, "is_new": is_new}))
    else:
        console.print(f"Model {number} is champion{'' if is_new else ' already'}.")


@models.command("rollback")
def roll_back_model(
    reason: Reason = "",
    dry_run: DryRun = False,
    expected: Annotated[
        int | None, typer.Option("--from", min=1, help="Only if this version is champion; any if left out.")
    ] = None,
    actor: Actor = None,
    as_json: JsonFlag = False,
) -> None:
    """Make the version champion again that served before."""
    with Lake(load_settings()) as lake:
        if dry_run or not as_json:
            from segmentation.modeling import lifecycle  # needs scikit-learn, which the scorer's image lacks

            with lake.cursor() as con:
                serving, earlier = registry.champions(con)
            _show_movement(lifecycle.movement(lake, serving, earlier), serving, earlier, as_json)
        if dry_run:
            return
        commit = Commit("models rollback", asset="training/champion_model")
        serving, earlier = registry.roll_back(
            lake, actor=actor or getpass.getuser(), reason=reason, commit=commit, expected=expected
        )
    if as_json:
        typer.echo(json.dumps({"champion": earlier, "is_new": True}))
    else:
        console.print(f"Model {earlier} is champion again, instead of {serving}.")


@models.command("reproduce")
def reproduce_model(
    version: Annotated[str, typer.Argument(help="A version number, or an alias.")] = "champion",
    as_json: JsonFlag = False,
) -> None:
    """Train a version again from its pinned snapshot, and compare hashes; exit code 1 if they differ."""
    from segmentation.modeling.comparison import reproduce

    with Lake(load_settings(), read_only=True) as lake:
        with lake.cursor() as con:
            number = registry.number_of(con, version)
        found = reproduce(lake, number)
    if as_json:
        typer.echo(json.dumps({**asdict(found), "is_same": found.is_same}, indent=2))
    elif found.is_same:
        console.print(f"[green]Model {number} is reproduced[/]: {found.found}", highlight=False, soft_wrap=True)
    else:
        lines = "\n".join(f"  {escape(difference)}" for difference in found.differences)
        console.print(
            f"[red]Model {number} is not reproduced[/]: the registry has {found.expected}, training gave "
            f"{found.found}.\n{lines}",
            highlight=False,
            soft_wrap=True,
        )
    if not found.is_same:
        raise typer.Exit(1)


@models.command("diff")
def diff_models(
    before: Annotated[str, typer.Argument(help="A version number, or an alias.")] = "champion",
    after: Annotated[str, typer.Argument(help="Another one.")] = "candidate",
    as_json: JsonFlag = False,
) -> None:
    """Compare two versions: what they were made of, features, figures, segments, and who is in which."""
    from segmentation.modeling import lifecycle
    from segmentation.modeling.comparison import differences

    with Lake(load_settings(), read_only=True) as lake:
        with lake.cursor() as con:
            numbers = registry.number_of(con, before), registry.number_of(con, after)
            tables = differences(*(registry.load(con, number) for number in numbers))
        moves = lifecycle.movement(lake, *numbers)
    if as_json:
        shown = {name: table.to_dicts() for name, table in {**tables, "customers": moves}.items()}
        typer.echo(json.dumps(shown, indent=2))
        return
    for name, table in tables.items():
        console.print(f"[bold]{name}[/]")
        console.print(_rich_table(table) if table.height else "the same")
    console.print("[bold]customers[/] of the newest snapshot")
    _show_movement(moves, *numbers)


@models.command("rename")
def rename_segments(
    segment: Annotated[int | None, typer.Argument(help="Id of the segment.")] = None,
    name: Annotated[str | None, typer.Argument(help="Its new name; '' for the trained one.")] = None,
    file: Annotated[
        Path | None, typer.Option("--file", "-f", help="A YAML file of names by id, such as `3: Loyal`.")
    ] = None,
    reason: Reason = "",
) -> None:
    """Give segments names of your own; they survive retraining.

    For example: segmentation models rename 3 'Loyal' --reason 'agreed with marketing'
    """
    if (segment is None) == (file is None) or (segment is not None and name is None):
        raise SegmentationError("Give a segment's id and its new name, or --file with a YAML file.")
    names = _read_names(file) if file else {segment or 0: name or ""}
    with Lake(load_settings()) as lake:
        commit = Commit("models rename", asset="registry/segment_names")
        changed = registry.rename_segments(lake, names, actor=getpass.getuser(), reason=reason, commit=commit)
    for identity, (old, new) in changed.items():
        console.print(f"Segment {identity}: {escape(old)} → {escape(new)}", highlight=False)
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
        typer.echo(json.dumps(moves.to_dicts(), indent=2))
        return
    table = RichTable(f"segment of model {before}", f"of model {after}", "customers", "share", "net revenue")
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
        "metrics": version.metrics,
        "created_at": version.created_at.isoformat(),
    }


def _write(frame: pl.DataFrame, output_format: Format, output: Path | None) -> None:
    match output_format:
        case Format.TABLE:
            text = _as_table(frame)
        case Format.CSV:
            text = frame.write_csv()
        case Format.JSON:
            text = frame.write_json() + "\n"
        case Format.PARQUET:
            frame.write_parquet(output or sys.stdout.buffer)
            return
    if output:
        output.write_text(text, encoding="utf-8")
    else:
        typer.echo(text, nl=False)


def _rich_table(frame: pl.DataFrame) -> RichTable:
    table = RichTable(*(f"{name}" for name in frame.columns))
    for row in frame.iter_rows():
        table.add_row(*("" if value is None else _cell(value) for value in row))
    return table


def _as_table(frame: pl.DataFrame) -> str:
    if not frame.columns:
        return "done\n"
    table = _rich_table(frame)
    plain = Console(width=None if sys.stdout.isatty() else 10_000, no_color=not sys.stdout.isatty())
    with plain.capture() as captured:
        plain.print(table)
        plain.print(f"{frame.height:,} row{'' if frame.height == 1 else 's'}", highlight=False)
    return captured.get()


def _cell(value: object) -> str:
    return f"{value:,.6g}" if isinstance(value, float) else escape(str(value))


def _is_optional(error: ModuleNotFoundError) -> bool:
    """Whether an import failed for want of an extra, not for a mistake of ours."""
    missing = (error.name or "").split(".")[0]
    return missing in {
        "dagster",
        "dagster_duckdb",
        "litestar",
        "uvicorn",
        "sklearn",
        "segmentation_assets",
        "serving",
    }
