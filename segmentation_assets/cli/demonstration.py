"""The demo: the main job on data at hand, then the UI and the scorer, and what to try next."""

import os
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from datetime import date
from functools import partial
from itertools import count
from pathlib import Path

import polars as pl
from rich.markup import escape

from segmentation.cli.invocation import invocation
from segmentation.errors import SegmentationError
from segmentation.metadata.tables.raw import SOURCE_FILES
from segmentation.settings import Settings, load_settings
from segmentation.sources.profiles.profile import load_profile
from segmentation.synthetic import write
from segmentation.warehouse import Lake
from segmentation.warehouse.schema import migrate
from segmentation_assets.cli import console, steps
from segmentation_assets.cli.code_location import PartitionsFollower, reload_code_location
from segmentation_assets.cli.ports import require_free
from segmentation_assets.cli.runs import dagster_home

START, END = date(2024, 1, 1), date(2026, 1, 1)
"""The days of the synthetic shop: fixed, so that everybody's demo is the same."""

UI_PORT = 3000
SCORER_PORT = 8000
STOP_TIMEOUT_S = 20
POLL_S = 0.5
LOOK_EVERY = 20
"""Of so many polls, one looks whether there are other days."""

RECOVERY = """
SELECT archetype, segment_name
FROM read_parquet($archetypes) AS truth
JOIN segments.customer_segments AS assigned USING (customer_id)
WHERE as_of = $as_of
"""


def demonstrate(data: str, profile: str | None, customers: int, *, serve: bool) -> None:
    """Run the whole main job, show the segments, and start UI and scorer unless told not to.

    Args:
        data: `synthetic`, `complete-journey`, or a path.
        profile: How to read a path; `canonical` if None.
        customers: Size of the synthetic shop.
        serve: Whether to start UI and scorer.

    Raises:
        SegmentationError: The data can't be used, the lake holds other data, or a port is taken.
    """
    began = time.monotonic()
    name = data if data in ("synthetic", "complete-journey") else load_profile(profile or "canonical").name
    _choose_home(name)
    settings = load_settings()
    _refuse_other_data(settings, name)
    if serve:
        for port in (UI_PORT, SCORER_PORT):
            require_free(port, instead="use --no-serve")

    with console.progress() as on_progress:
        if data == "synthetic":
            files = write(
                settings.home / "demo",
                customers=customers,
                start=START,
                end=END,
                seed=settings.seed,
                progress=lambda done, total: on_progress("Making up a shop", done, total),
            )
            steps.ingest(str(files.transactions[0].parent), "canonical", name, on_progress)
        elif data == "complete-journey":
            steps.ingest(None, "complete-journey", name, on_progress)
        else:
            steps.ingest(data, profile or "canonical", name, on_progress)
        as_of = str(steps.newest_as_of(settings))
        profiles = steps.materialize(None, as_of, None, on_progress)
    if profiles is None:
        raise SegmentationError(f"No segments as of {as_of} came out of the run.")
    console.show_profiles(profiles)
    if data == "synthetic":
        _show_recovery(settings, as_of)
    console.out.print(f"Done in {time.monotonic() - began:.0f} s; everything is in {settings.home}.", highlight=False)
    if serve:
        _serve(settings, as_of)


def open_ui(port: int) -> None:
    """Run the Dagster UI and daemon until Ctrl-C."""
    require_free(port, instead="choose another with --port")
    settings = load_settings()
    with _until_stopped(), _dagster(settings, port) as process:
        console.out.print(f"Dagster UI: http://127.0.0.1:{port} (Ctrl-C to stop)", highlight=False)
        _follow_while(lambda: process.poll() is None, settings, port)


def _follow_while(is_running: Callable[[], bool], settings: Settings, port: int) -> None:
    """Keep the partitions that the UI offers up to date for as long as it runs."""
    follower = PartitionsFollower(settings, partial(reload_code_location, f"http://127.0.0.1:{port}"))
    for tick in count():
        if not is_running():
            return
        if tick % LOOK_EVERY == 0:
            follower.look()
        time.sleep(POLL_S)


def _choose_home(name: str) -> None:
    """Keep demos of different data apart, unless the user chose the folder."""
    if name != "synthetic" and "SEGMENTATION_HOME" not in os.environ:
        os.environ["SEGMENTATION_HOME"] = f"warehouse-{name}"
        console.out.print(f"[dim]export SEGMENTATION_HOME=warehouse-{name}  # this demo's own lake[/]")


def _refuse_other_data(settings: Settings, name: str) -> None:
    if not (settings.home / "catalog.sqlite").exists() and not settings.catalog:
        return
    with Lake(settings) as lake:
        migrate(lake)
        with lake.cursor() as con:
            others = con.execute(f"SELECT DISTINCT source FROM {SOURCE_FILES.name} WHERE source <> $s", {"s": name})
            found = sorted(row[0] for row in others.fetchall())
    if found:
        raise SegmentationError(
            f"The lake in {settings.home} already holds {', '.join(found)}, and segments of two shops at once mean "
            f"nothing. Give the demo a lake of its own: SEGMENTATION_HOME=warehouse-{name}"
        )


def _show_recovery(settings: Settings, as_of: str) -> None:
    from sklearn.metrics import adjusted_rand_score

    archetypes = str(settings.home / "demo" / "archetypes.parquet")
    with Lake(settings, read_only=True) as lake, lake.cursor() as con:
        pairs = con.execute(RECOVERY, {"archetypes": archetypes, "as_of": as_of}).pl()
    score = adjusted_rand_score(pairs["archetype"].to_list(), pairs["segment_name"].to_list())
    console.out.print(
        f"Against the shop's {pairs['archetype'].n_unique()} true archetypes: adjusted Rand index {score:.2f} "
        "(docs/synthetic.md says what is reachable).",
        highlight=False,
    )
    largest = (
        pairs.group_by("segment_name", "archetype")
        .len()
        .sort("len", descending=True)
        .with_columns((pl.col("len") / pl.col("len").sum().over("segment_name")).alias("share"))
        .group_by("segment_name", maintain_order=True)
        .head(2)
    )
    for segment, rows in largest.group_by("segment_name", maintain_order=True):
        parts = ", ".join(f"{share:.0%} {archetype}" for _, archetype, _, share in rows.iter_rows())
        console.out.print(f"  {segment[0]}: {parts}", highlight=False, markup=False)


def _serve(settings: Settings, as_of: str) -> None:
    with _until_stopped(), ExitStack() as stack:
        ui = stack.enter_context(_dagster(settings, UI_PORT))
        scorer = stack.enter_context(
            _process(
                [
                    *(sys.executable, "-m", "segmentation.cli"),
                    "serve",
                    "--port",
                    str(SCORER_PORT),
                    "--workers",
                    "1",
                    "--log-level",
                    "warning",
                ],
                {"SEGMENTATION_AUTH": "off"},  # what it shows is made up, or the user's own on their own machine
            )
        )
        with console.out.status("Starting the Dagster UI and the scorer…"):
            _await(f"http://127.0.0.1:{SCORER_PORT}/health/ready", scorer)
            _await(f"http://127.0.0.1:{UI_PORT}/server_info", ui)
        _show_next_steps(settings, as_of)
        _follow_while(lambda: ui.poll() is None and scorer.poll() is None, settings, UI_PORT)


def _show_next_steps(settings: Settings, as_of: str) -> None:
    with Lake(settings, read_only=True) as lake, lake.cursor() as con:
        row = con.execute(
            "SELECT customer_id FROM segments.customer_segments WHERE as_of = $as_of ORDER BY customer_id LIMIT 1",
            {"as_of": as_of},
        ).fetchone()
    customer = row[0] if row else ""
    console.out.print(
        f"""
[bold]Running, until Ctrl-C:[/]
  Dagster UI   http://127.0.0.1:{UI_PORT}
  Scorer       http://127.0.0.1:{SCORER_PORT} (its documentation is there; the demo asks for no key)

[bold]Try next, in another terminal:[/]
  curl -s http://127.0.0.1:{SCORER_PORT}/v1/customers/{escape(urllib.parse.quote(customer, safe=""))}
  {escape(invocation(settings))} sql "SELECT segment_name, customer_count, revenue_share FROM segments.segment_profiles"
""",
        highlight=False,
        soft_wrap=True,
    )


@contextmanager
def _until_stopped() -> Iterator[None]:
    """Let Ctrl-C, `kill` and a closed terminal end the block in order, also for a command started in the background."""

    def stop(number: int, frame: object) -> None:  # noqa: ARG001 (Python's signature)
        raise KeyboardInterrupt

    kept = {number: signal.signal(number, stop) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)}
    try:
        yield
    except KeyboardInterrupt:
        console.out.print("Stopped.")
    finally:
        for number, handler in kept.items():
            signal.signal(number, handler)


@contextmanager
def _dagster(settings: Settings, port: int) -> Iterator["subprocess.Popen[bytes]"]:
    workspace = Path(__file__).parents[2] / "workspace.yaml"
    code = ["-w", str(workspace)] if workspace.exists() else ["-m", "segmentation_assets.definitions"]
    command = [sys.executable, "-m", "dagster", "dev", "-p", str(port), *code]
    log = dagster_home(settings) / "ui.log"
    with _process(command, {"DAGSTER_HOME": str(dagster_home(settings))}, log) as process:
        yield process


@contextmanager
def _process(
    command: list[str], environment: Mapping[str, str], log: Path | None = None
) -> Iterator["subprocess.Popen[bytes]"]:
    """A child process that ends, with its own children, when the block does."""
    with ExitStack() as stack:
        output = stack.enter_context(log.open("ab")) if log else None
        process = subprocess.Popen(
            command, env={**os.environ, **environment}, stdout=output, stderr=output, start_new_session=True
        )
        try:
            yield process
        finally:
            process.terminate()
            try:
                process.wait(timeout=STOP_TIMEOUT_S)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()


def _await(url: str, process: "subprocess.Popen[bytes]", timeout_s: float = 90) -> None:
    deadline = time.monotonic() + timeout_s
    while time.monotonic() < deadline:
        if process.poll() is not None:
            raise SegmentationError(f"The server of {url} ended with exit code {process.returncode}.")
        try:
            with urllib.request.urlopen(url, timeout=2):  # noqa: S310 (our own loopback address)
                return
        except (urllib.error.URLError, TimeoutError, ConnectionError):
            time.sleep(0.3)
    raise SegmentationError(f"{url} did not answer within {timeout_s:.0f} s.")
