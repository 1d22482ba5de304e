"""The demo: a year of the main job on data at hand, what came of it, the UI and the scorer, and what to try next."""

import os
import time
import urllib.parse
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date, datetime
from functools import partial
from importlib.util import find_spec
from pathlib import Path

from rich.markup import escape

from segmentation.cli.invocation import invocation
from segmentation.errors import SegmentationError
from segmentation.guidance.next_steps import PROFILES_SQL
from segmentation.metadata.tables.raw import DELIVERIES, SOURCE_FILES
from segmentation.metadata.tables.segments import CUSTOMER_SEGMENTS, of_model
from segmentation.settings import Settings, load_settings
from segmentation.sources.profiles.profile import load_profile
from segmentation.synthetic import Promotion, Variation, write
from segmentation.warehouse import Lake
from segmentation.warehouse.schema import migrate
from segmentation_assets.cli import console, ports, servers, steps, story, story_page
from segmentation_assets.progress import Listener

SYNTHETIC = "synthetic"
BUNDLED = (SYNTHETIC, "complete-journey")

UI_PORT = 3000
SCORER_PORT = 8000

MONTHS = 25
"""Months of the synthetic shop before the current one: each of a year's snapshots looks back on a whole year."""
PROMOTION_MONTHS = (4, 1)
"""The shop's promotion: from so many months before the current one until so many."""
DISCOUNT_FACTOR = 2.5
SEASONALITY = 0.3
ARRIVALS_FROM = 0.3
"""Milder seasons than the archetypes', and newcomers all the time: monitoring has seen half a year when it judges, and
would find its first Christmas, or a crowd of newcomers, to be drift as well."""
DIRTY_SHARE = 0.003

LIGHTER = {"customer_buckets": "4", "search_trials": "10"}
"""Settings for a small shop, where the user has chosen none: they save half of the time and change no rule."""

OTHERS = f"""
SELECT source FROM {SOURCE_FILES.name} WHERE source <> $name
UNION
SELECT source FROM {DELIVERIES.name} WHERE source <> $name
ORDER BY source
"""
A_CUSTOMER = f"""
SELECT customer_id FROM {of_model(CUSTOMER_SEGMENTS)} WHERE as_of = $as_of ORDER BY confidence DESC, customer_id LIMIT 1
"""


@dataclass(frozen=True)
class Ports:
    """Where the servers shall listen; None for the usual port, or any that is free."""

    ui: int | None = None
    scorer: int | None = None


@dataclass(frozen=True)
class Link:
    """A page that shows results."""

    title: str
    address: str


def demonstrate(
    data: str,
    profile: str | None,
    customers: int,
    *,
    serving: Ports | None,
    is_verbose: bool,
    now: datetime,
) -> None:
    """Run a year of the whole main job, tell what happened, and start UI and scorer unless told not to.

    Args:
        data: `synthetic`, `complete-journey`, or a path.
        profile: How to read a path; `canonical` if None.
        customers: Size of the synthetic shop.
        serving: Where UI and scorer shall listen; None to start neither.
        is_verbose: Whether to compare segments with the synthetic shop's archetypes.
        now: The present moment (UTC); the synthetic shop ends the day before.

    Raises:
        SegmentationError: The data can't be used, the lake holds other data, or a port is taken.
    """
    began = time.monotonic()
    name = data if data in BUNDLED else load_profile(profile or "canonical").name
    _choose_home(name)
    settings = load_settings()
    _refuse_other_data(settings, name)
    chosen = serving and _choose_ports(serving)
    with _lighter(settings) if data == SYNTHETIC else _as_it_is(settings) as used, console.progress() as on_progress:
        source = _source(used, data, profile, name, customers, now, on_progress)
        story.take_in(used, source, on_progress, now=now)
        told = story.tell(used, on_progress, now=now)
    as_of = told.plan.dates[-1]
    story_page.show_story(settings, told)
    console.show_profiles(steps.profiles_as_of(settings, str(as_of)))
    if is_verbose and data == SYNTHETIC:
        story_page.show_recovery(settings, str(_archetypes(settings)), as_of)
    console.out.print(
        f"Done in {time.monotonic() - began:.0f} s; everything is in {escape(str(settings.home))}.", highlight=False
    )
    if chosen:
        servers.serve(settings, *chosen, on_ready=partial(_show_next_steps, settings, as_of, *chosen))


def make_shop(
    settings: Settings, customers: int, now: datetime, on_progress: Listener = lambda *_: None
) -> story.Source:
    """Make up a shop that is open until yesterday: two years of lines, some of them dirty, and a promotion.

    Args:
        settings: Where it goes, and the seed.
        customers: How many there are.
        now: The present moment (UTC).
        on_progress: Told how far it is.
    """
    month = now.date().replace(day=1)
    from_day, until_day = (_months_before(month, months) for months in PROMOTION_MONTHS)
    files = write(
        settings.home / "demo",
        customers=customers,
        start=_months_before(month, MONTHS),
        end=now.date(),
        seed=settings.seed,
        variation=Variation(
            promotion=Promotion(from_day, until_day, DISCOUNT_FACTOR),
            seasonality=SEASONALITY,
            arrivals_from=ARRIVALS_FROM,
            dirty_share=DIRTY_SHARE,
        ),
        progress=lambda done, total: on_progress("Making up a shop", done, total),
    )
    return story.Source(str(files.transactions[0].parent), "canonical", SYNTHETIC)


def _source(
    settings: Settings,
    data: str,
    profile: str | None,
    name: str,
    customers: int,
    now: datetime,
    on_progress: Listener,
) -> story.Source:
    if data == SYNTHETIC:
        return make_shop(settings, customers, now, on_progress)
    if data in BUNDLED:
        return story.Source(None, data, name)
    return story.Source(data, profile or "canonical", name)


def _months_before(month: date, months: int) -> date:
    number = month.year * 12 + month.month - 1 - months
    return date(number // 12, number % 12 + 1, 1)


def _archetypes(settings: Settings) -> Path:
    return settings.home / "demo" / "archetypes.parquet"


def _choose_home(name: str) -> None:
    """Keep demos of different data apart, unless the user chose the folder."""
    if name != SYNTHETIC and "SEGMENTATION_HOME" not in os.environ:
        os.environ["SEGMENTATION_HOME"] = f"warehouse-{name}"
        console.out.print(f"[dim]export SEGMENTATION_HOME=warehouse-{name}  # this demo's own lake[/]")


def _choose_ports(wanted: Ports) -> tuple[int, int]:
    ui = ports.choose(wanted.ui, UI_PORT, option="--port")
    scorer = ports.choose(wanted.scorer, SCORER_PORT, option="--scorer-port")
    for name, port, usual in (("Dagster UI", ui, UI_PORT), ("scorer", scorer, SCORER_PORT)):
        if port != usual and port not in (wanted.ui, wanted.scorer):
            console.out.print(f"Port {usual} is taken, so the {name} will be at {port}.", highlight=False)
    return ui, scorer


@contextmanager
def _lighter(settings: Settings) -> Iterator[Settings]:
    """Settings for a small shop, also for the graph's own look at the environment, as long as the block lasts."""
    changed = {
        f"SEGMENTATION_{name.upper()}": value
        for name, value in LIGHTER.items()
        if name not in settings.model_fields_set
    }
    os.environ.update(changed)
    try:
        yield load_settings()
    finally:
        for variable in changed:
            del os.environ[variable]


@contextmanager
def _as_it_is(settings: Settings) -> Iterator[Settings]:
    yield settings


def _refuse_other_data(settings: Settings, name: str) -> None:
    if not (settings.home / "catalog.sqlite").exists() and not settings.catalog:
        return
    with Lake(settings, create=True) as lake:
        migrate(lake)
        with lake.cursor() as con:
            found = [row[0] for row in con.execute(OTHERS, {"name": name}).fetchall()]
    if found:
        raise SegmentationError(
            f"The lake in {settings.home} already holds {', '.join(found)}, and segments of two shops at once mean "
            f"nothing. Give the demo a lake of its own: SEGMENTATION_HOME=warehouse-{name}"
        )


def _links(ui_port: int, scorer_port: int, customer: str) -> list[Link]:
    """Where results are to be seen, the best page first."""
    ui, scorer = f"http://127.0.0.1:{ui_port}", f"http://127.0.0.1:{scorer_port}"
    return [
        Link("who moved, month by month (Metadata, then Plots)", f"{ui}/assets/segments/segment_transitions"),
        Link("all runs on a timeline", f"{ui}/overview"),
        Link("a customer's segment, and why", f"{scorer}/v1/customers/{urllib.parse.quote(customer, safe='')}"),
    ]


def _show_next_steps(settings: Settings, as_of: date, ui_port: int, scorer_port: int) -> None:
    with Lake(settings, read_only=True) as lake, lake.cursor() as con:
        row = con.execute(A_CUSTOMER, {"as_of": as_of}).fetchone()
    links = _links(ui_port, scorer_port, row[0] if row else "")
    width = max(len(link.title) for link in links)
    shown = "\n".join(f"  {link.title:<{width}}  {escape(link.address)}" for link in links)
    command = escape(invocation(settings))
    console.out.print(
        f"""
[bold]Running, until Ctrl-C; look at[/]
{shown}
The scorer asks for no key here; its documentation: http://127.0.0.1:{scorer_port}

[bold]Try next, in another terminal:[/]
  {command} snapshots list
  {command} {escape(PROFILES_SQL)}
  {command} explain {escape(row[0] if row else "CUSTOMER")}
  {_tracked(command)}
""",
        highlight=False,
        soft_wrap=True,
    )


def _tracked(command: str) -> str:
    if find_spec("mlflow") is None:
        return "make mlflow  # MLflow's pages; what is trained after this command is tracked there"
    return f"{command} mlflow  # the searches for both models"
