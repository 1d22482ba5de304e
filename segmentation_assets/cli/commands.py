"""The commands that need the asset graph: `ingest`, `materialize`, `demo`, `ui`, `mlflow`, `exporter`.

Dagster is imported inside them: partitions begin where the data begins, which `ingest` and `demo` only learn by
looking at it, and their help stays quick.
"""

import json
import logging
import signal
from datetime import datetime
from pathlib import Path
from threading import Event
from typing import TYPE_CHECKING, Annotated

import typer

from segmentation.clock import utc_now
from segmentation_assets.cli import console

if TYPE_CHECKING:
    from segmentation.sources.config import SourceConfig
    from segmentation.sources.dry_run import DryRun

REFUSED = 3
"""The exit code of a `materialize` that made everything, with the champion, since the new model was refused."""

SERVERS = "Servers"
"""The panel of help with what is started."""

AsOf = Annotated[
    str | None,
    typer.Option(help="Any date that the data reaches, `YYYY-MM-DD`; the newest of the cadence if left out."),
]
Profile = Annotated[str | None, typer.Option("--profile", "-p", help="A bundled profile, or a YAML file of your own.")]


def ingest(
    path: Annotated[
        str | None,
        typer.Argument(
            help="File, folder or glob, or the name of a source in sources.yaml; left out, the data that the profile "
            "names, or all declared sources that can be read."
        ),
    ] = None,
    profile: Profile = None,
    source: Annotated[str | None, typer.Option(help="Name of the source; the profile's name if left out.")] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Only show what would come in, and what would be rejected.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON, for programs; with --dry-run.")] = False,
) -> None:
    """Bring the lines of files, or of declared sources, into the lake.

    Lines that a source's rules refuse are kept with the reason; the same lines twice count once.

    For example: segmentation ingest orders.csv --profile canonical
    """
    if as_json and not dry_run:
        raise typer.BadParameter("--json goes with --dry-run.")
    declared = [] if profile or source else _declared(path)
    if dry_run:
        for each in declared:
            _show_dry_run(_dry_run_of(each), as_json)
        if not declared:
            _show_dry_run(_dry_run(path, profile or "canonical", source), as_json)
        return
    from segmentation_assets.cli import steps

    with console.progress() as on_progress:
        if declared:
            steps.read_sources(declared, on_progress)
        else:
            steps.ingest(path, profile or "canonical", source, on_progress)


def _declared(path: str | None) -> "list[SourceConfig]":
    """The declared sources that are meant, unless it is a file."""
    from segmentation.settings import load_settings
    from segmentation.sources.config import KafkaSource, PushSource, declared_sources

    found = declared_sources(load_settings())
    if path is None:
        return [each for each in found.values() if not isinstance(each, PushSource | KafkaSource)]
    return [found[path]] if path in found and not Path(path).exists() else []


def _dry_run(path: str | None, profile: str, source: str | None) -> "DryRun":
    from segmentation.settings import load_settings
    from segmentation.sources.dry_run import dry_run_files
    from segmentation.sources.profiles.profile import load_profile

    return dry_run_files(load_settings(), path, load_profile(profile), source=source, now=_now())


def _dry_run_of(source: "SourceConfig") -> "DryRun":
    from segmentation.settings import load_settings
    from segmentation.sources.dry_run import dry_run_source

    return dry_run_source(load_settings(), source, now=_now())


def _show_dry_run(found: "DryRun", as_json: bool) -> None:
    from segmentation.sources.dry_run import facts_of

    if as_json:
        typer.echo(json.dumps(facts_of(found), indent=2))
    else:
        console.show_dry_run(found)


def _now() -> datetime:
    return utc_now().replace(microsecond=0)


def materialize(
    select: Annotated[
        str | None,
        typer.Option(
            "--select", "-s", help="Dagster assets, such as `group:segments`; features, model and segments if left out."
        ),
    ] = None,
    as_of: AsOf = None,
    since: Annotated[
        str | None,
        typer.Option(help="Backfill: every date of the cadence from this one to `--as-of`, in one run."),
    ] = None,
    trains: Annotated[
        bool | None,
        typer.Option(
            "--train/--no-train",
            help="Whether to train a new model; left out, one is trained unless `--as-of` is given and a model serves.",
            show_default=False,
        ),
    ] = None,
) -> None:
    """Turn ingested data into features, a model, segments and profiles, in one process.

    Where the new model is refused, the champion has decided the segments all the same; the exit code is 3 then.

    For example: segmentation materialize --as-of 2026-01-15
    """
    from segmentation_assets.cli import steps

    with console.progress() as on_progress:
        made = steps.materialize(select, as_of, since, on_progress, trains=trains)
    if made.profiles is not None:
        console.show_profiles(made.profiles)
    if made.refusal:
        raise typer.Exit(REFUSED)


def refresh_snapshots(
    dates: Annotated[
        list[datetime] | None,
        typer.Argument(
            formats=["%Y-%m-%d"],
            help="Which, `YYYY-MM-DD`; all that are stale if left out.",
            metavar="[DATE]...",
            show_default=False,
        ),
    ] = None,
    from_scratch: Annotated[
        bool, typer.Option("--from-scratch", help="Compute the features of every customer, changed or not.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON, for programs.")] = False,
) -> None:
    """Make stale snapshots anew: features, segments and all that is made of them.

    Segments keep the model that decided them, but for the newest date, which follows the champion. It may be stopped at
    any moment, and goes on where it was when it is called again.

    For example: segmentation snapshots refresh
    """
    from segmentation.settings import load_settings
    from segmentation_assets.cli import snapshot_runs

    wanted = [each.date() for each in dates or ()]
    settings = load_settings()
    if as_json:
        done = snapshot_runs.refresh(settings, wanted, from_scratch=from_scratch)
        typer.echo(json.dumps({"refreshed": [str(as_of) for as_of in done]}, indent=2))
        return
    with console.progress() as on_progress:
        done = snapshot_runs.refresh(settings, wanted, from_scratch=from_scratch, on_progress=on_progress)
    console.show_refreshed(done)


def demo(
    data: Annotated[str, typer.Option(help="`synthetic`, `complete-journey`, or a path.")] = "synthetic",
    profile: Profile = None,
    customers: Annotated[int, typer.Option(min=1, help="How many customers the synthetic shop has.")] = 4_000,
    serve: Annotated[
        bool,
        typer.Option("--serve/--no-serve", help="Start the Dagster UI and the scorer.", rich_help_panel=SERVERS),
    ] = True,
    port: Annotated[
        int | None,
        typer.Option(
            min=1,
            max=65535,
            help="Port of the Dagster UI; 3000 if left out, or a free one if that is taken.",
            rich_help_panel=SERVERS,
        ),
    ] = None,
    scorer_port: Annotated[
        int | None,
        typer.Option(
            min=1,
            max=65535,
            help="Port of the scorer; 8000 if left out, or a free one if that is taken.",
            rich_help_panel=SERVERS,
        ),
    ] = None,
    verbose: Annotated[
        bool, typer.Option("--verbose", help="Tell also how far the segments are the synthetic shop's archetypes.")
    ] = False,
) -> None:
    """Go from orders to a year of segments on a made-up shop, then start the Dagster UI and the scorer.

    Other data than the made-up shop's gets a lake of its own. UI and scorer run until Ctrl-C.

    For example: segmentation demo --customers 5000 --no-serve
    """
    from segmentation_assets.cli import demonstration

    demonstration.demonstrate(
        data,
        profile,
        customers,
        serving=demonstration.Ports(port, scorer_port) if serve else None,
        is_verbose=verbose,
        now=utc_now(),
    )


def ui(
    port: Annotated[int, typer.Option(help="Port of the Dagster UI.")] = 3000,
) -> None:
    """Start the Dagster UI and daemon on this installation's lake, until Ctrl-C.

    The daemon runs the schedules and sensors that are turned on in the UI.

    For example: segmentation ui --port 3001
    """
    from segmentation_assets.cli import servers

    servers.open_ui(port)


def mlflow(
    port: Annotated[int, typer.Option(min=1, max=65535, help="Port of MLflow's pages.")] = 5000,
    host: Annotated[str, typer.Option(help="Address to listen on; 0.0.0.0 for all of the machine's.")] = "127.0.0.1",
) -> None:
    """Show searches and fits in MLflow's pages, until Ctrl-C; needs the extra `tracking`.

    With SEGMENTATION_TRACKING_URI set, it says where to look instead.

    For example: segmentation mlflow --port 5001
    """
    from segmentation_assets.cli import mlflow_pages

    mlflow_pages.open_pages(host, port)


def exporter(
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port that metrics are served on; 0 for any.")] = 9109,
    host: Annotated[str, typer.Option(help="Address to listen on; 0.0.0.0 for all of the machine's.")] = "127.0.0.1",
    every: Annotated[int, typer.Option(min=1, help="Seconds between two looks at the lake and at Dagster.")] = 30,
    once: Annotated[bool, typer.Option("--once", help="Look once, print the metrics, and end.")] = False,
) -> None:
    """Tell Prometheus how the lake, the model and the pipeline are, until stopped.

    It reads the lake and Dagster's instance, and writes neither. While one of them can't be read, its last figures
    stand and `segmentation_exporter_up` says so; with `--once` the command then ends with 1.

    For example: segmentation exporter --once > segmentation.prom
    """
    from segmentation.settings import load_settings

    stop = Event()
    for number in () if once else (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())
    from segmentation_assets.cli import exporter as exporting

    logging.basicConfig(level=logging.WARNING, format="%(asctime)s %(levelname)s %(message)s")
    logging.getLogger("segmentation.monitoring").setLevel(logging.INFO)
    settings = load_settings()
    if once:
        if not exporting.print_once(settings):
            raise typer.Exit(1)
        return
    exporting.serve(settings, host, port, every, stop)
