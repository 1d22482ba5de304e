"""The `segmentation` command: which commands there are, and how an error ends one.

Nothing that a command needs is imported before it is called. Exit codes: 0 done, 1 could not be done (the message says
why), 2 wrongly called, 3 done with the champion, since the model that was trained was refused.
"""

import sys
from enum import StrEnum
from typing import Annotated, NoReturn

import typer
from rich.markup import escape

import segmentation
from segmentation.cli.lazy_group import LazyCommand, LazyGroup
from segmentation.errors import SegmentationError
from segmentation.failures import meaning_of_failure
from segmentation.terminal import degrade_output, make_console


class Panel(StrEnum):
    """The parts of the help."""

    START = "Start: bring data in, and make segments of it"
    LOOK = "Look: see what came out, and hand it on"
    OPERATE = "Operate: keep an installation in order"


COMMANDS = (
    LazyCommand(
        "demo",
        "segmentation_assets.cli.commands:demo",
        "Go from orders to a year of segments on a made-up shop, then start the Dagster UI and the scorer.",
        Panel.START,
        needs="dagster",
    ),
    LazyCommand(
        "init",
        "segmentation.cli.init:init",
        "Make an empty lake where the settings say, or tell which one is there.",
        Panel.START,
    ),
    LazyCommand(
        "ingest",
        "segmentation_assets.cli.commands:ingest",
        "Bring the lines of files, or of declared sources, into the lake.",
        Panel.START,
        needs="dagster",
    ),
    LazyCommand(
        "stream",
        "segmentation.cli.stream:stream",
        "Read a Kafka topic into the lake, batch by batch, until stopped.",
        Panel.START,
    ),
    LazyCommand(
        "sources",
        "segmentation.cli.sources:sources",
        "Where transactions come from, as sources.yaml declares it.",
        Panel.START,
    ),
    LazyCommand(
        "materialize",
        "segmentation_assets.cli.commands:materialize",
        "Turn ingested data into features, a model, segments and profiles, in one process.",
        Panel.START,
        needs="dagster",
    ),
    LazyCommand(
        "explain",
        "segmentation.cli.explain:explain",
        "Say why a customer is in their segment and what would move them, or what sets a segment apart.",
        Panel.LOOK,
    ),
    LazyCommand(
        "sql",
        "segmentation.cli.sql:sql",
        "Ask the lake in SQL, read-only, also while pipelines run.",
        Panel.LOOK,
    ),
    LazyCommand(
        "score",
        "segmentation.cli.score:score",
        "Score a file of customers' features.",
        Panel.LOOK,
    ),
    LazyCommand(
        "snapshots",
        "segmentation.cli.snapshots:snapshots",
        "Which snapshots there are, whether they are current, and how to make them anew or remove them.",
        Panel.LOOK,
    ),
    LazyCommand(
        "models",
        "segmentation.cli.models:models",
        "Look at the versions of the model, and choose the one that serves.",
        Panel.LOOK,
    ),
    LazyCommand(
        "segmentations",
        "segmentation.cli.segmentations:segmentations",
        "Segmentations of your own, besides the model, as segmentations.yaml declares them.",
        Panel.LOOK,
    ),
    LazyCommand(
        "ui",
        "segmentation_assets.cli.commands:ui",
        "Start the Dagster UI and daemon on this installation's lake, until Ctrl-C.",
        Panel.LOOK,
        needs="dagster",
    ),
    LazyCommand(
        "serve",
        "serving.commands:serve",
        "Serve scores over HTTP from the champion model.",
        Panel.LOOK,
        needs="litestar",
    ),
    LazyCommand(
        "mlflow",
        "segmentation_assets.cli.commands:mlflow",
        "Show searches and fits in MLflow's pages, until Ctrl-C; needs the extra `tracking`.",
        Panel.LOOK,
        needs="dagster",
    ),
    LazyCommand(
        "keys",
        "segmentation.cli.keys:keys",
        "Make, list, rotate and revoke the scorer's API keys.",
        Panel.OPERATE,
    ),
    LazyCommand(
        "notify",
        "segmentation.cli.notify:notify",
        "Send a message to everybody that SEGMENTATION_NOTIFY names, and say who took it.",
        Panel.OPERATE,
    ),
    LazyCommand(
        "exporter",
        "segmentation_assets.cli.commands:exporter",
        "Tell Prometheus how the lake, the model and the pipeline are, until stopped.",
        Panel.OPERATE,
        needs="dagster",
    ),
    LazyCommand(
        "doctor",
        "segmentation.cli.doctor:doctor",
        "Check the installation, the settings and the lake; say what to do about what is wrong.",
        Panel.OPERATE,
    ),
    LazyCommand(
        "maintain",
        "segmentation.cli.maintain:maintain",
        "Archive old models, let old snapshots of the lake expire, and tidy up its files.",
        Panel.OPERATE,
    ),
    LazyCommand(
        "backup",
        "segmentation.cli.backup:backup",
        "Back up the lake, also while pipelines write; only files that the folder lacks are copied.",
        Panel.OPERATE,
    ),
    LazyCommand(
        "restore",
        "segmentation.cli.backup:restore",
        "Make the lake what it was when it was backed up, where the settings say.",
        Panel.OPERATE,
    ),
)
"""In the order of the help, panel by panel."""


class _Commands(LazyGroup):
    lazy_commands = COMMANDS


app = typer.Typer(
    name="segmentation",
    cls=_Commands,
    help="From raw transactions to customer segments that people can trust and act on.\n\n"
    "Without a command: what this lake holds, and the three next steps that fit. "
    "`--help` after a command tells more about it.\n\n"
    "For example: segmentation demo --no-serve",
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


@app.callback(invoke_without_command=True)
def _root(
    context: typer.Context,
    version: Annotated[bool, typer.Option("--version", help="Print the version and leave.", is_eager=True)] = False,
) -> None:
    if version:
        typer.echo(segmentation.__version__)
        raise typer.Exit
    if context.invoked_subcommand is None:
        from segmentation.cli.next_steps import show_next_steps  # it opens the lake, which help shall not wait for

        show_next_steps({command.name for command in COMMANDS if command.is_installed()})


def main() -> None:
    """Run the command; problems that a user can solve are printed without a traceback."""
    degrade_output()
    try:
        app()
    except SegmentationError as error:
        _fail(str(error))
    except Exception as error:
        meaning = _meaning_of(error)
        if meaning is None:
            raise
        _fail(meaning)


def _meaning_of(error: Exception) -> str | None:
    """What a failure of a disk, of the catalogue or of object storage means; None if it is another one."""
    if meaning := meaning_of_failure(error):
        return meaning[0].upper() + meaning[1:] + "."
    import duckdb  # help and version shall not wait for it

    from segmentation.warehouse.outages import words_for_people

    return words_for_people(str(error)) if isinstance(error, duckdb.Error) else None


def _fail(message: str) -> NoReturn:
    make_console(stderr=True).print(f"[bold red]Error:[/] {escape(message)}", highlight=False, soft_wrap=True)
    sys.exit(1)
