"""The shops that all parts look at: each a lake with all its lines and a snapshot of features every month."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path

import polars as pl

from segmentation import synthetic
from segmentation.features.snapshots import write_snapshots
from segmentation.settings import Settings
from segmentation.sources.batch.loading import load_days
from segmentation.sources.batch.registration import register
from segmentation.sources.profiles.profile import load_profile
from segmentation.warehouse import Commit, Lake
from segmentation.warehouse.schema import migrate

UCI = Path("../shared/data/online_retail_2009_2010.parquet")
"""Where the first year of Online Retail II lies beside a checkout; other places by `--uci`."""

SYNTHETIC_CUSTOMERS = 4_000
EARLIEST_DAY = date(1990, 1, 1)


@dataclass(frozen=True)
class Recipe:
    """How a shop is made.

    Attributes:
        name: What it is called on the command line.
        title: What it is called in tables.
        profile: How its lines are read.
        first: Its first snapshot.
        last: Its last one.
        judged: Dates at which models are judged by the 90 days after them.
        source: Where its lines lie, below a folder in which they may be made; None for what the profile ships.
    """

    name: str
    title: str
    profile: str
    first: date
    last: date
    judged: tuple[date, ...]
    source: Callable[[Path], str | None]

    @property
    def months(self) -> list[date]:
        """Its snapshots: the first of each month."""
        count = (self.last.year - self.first.year) * 12 + self.last.month - self.first.month + 1
        starts = (divmod(self.first.month - 1 + number, 12) for number in range(count))
        return [date(self.first.year + years, month + 1, 1) for years, month in starts]


@dataclass(frozen=True)
class Shop:
    """A shop, open.

    Attributes:
        recipe: What it is.
        lake: Its lake, writable: parts that promote models work on a copy.
        folder: Where it was made.
    """

    recipe: Recipe
    lake: Lake
    folder: Path

    def archetypes(self, customer_ids: pl.Series) -> list[str] | None:
        """What the given customers are, where somebody knows: of a synthetic shop."""
        path = self.folder / "files" / self.recipe.name / "archetypes.parquet"
        if not path.exists():
            return None
        customers = pl.DataFrame({"customer_id": customer_ids})
        found = customers.join(pl.read_parquet(path), on="customer_id", how="left", maintain_order="left")
        return [str(each) for each in found["archetype"].to_list()]


def recipes(uci: Path = UCI) -> dict[str, Recipe]:
    """All shops by name; UCI only where its file is."""
    firsts = [date(2010, 7, 1), date(2010, 8, 1), date(2010, 9, 1)]
    found = [
        Recipe(
            "cj",
            "Complete Journey",
            "complete-journey",
            date(2017, 2, 1),
            date(2018, 1, 1),
            (date(2017, 8, 1), date(2017, 9, 1), date(2017, 10, 1)),
            lambda _: None,
        ),
        Recipe(
            "cdnow",
            "CDNOW",
            "cdnow",
            date(1997, 2, 1),
            date(1998, 7, 1),
            (date(1997, 10, 1), date(1998, 1, 1), date(1998, 4, 1)),
            lambda _: _cdnow(),
        ),
        *(_synthetic(seed) for seed in (7, 11, 23)),
    ]
    if uci.is_file():
        found.insert(
            0,
            Recipe(
                "uci",
                "UCI Online Retail",
                "uci-online-retail",
                date(2010, 1, 1),
                date(2010, 12, 1),
                tuple(firsts),
                lambda _: str(uci),
            ),
        )
    return {recipe.name: recipe for recipe in found}


@contextmanager
def open_shop(recipe: Recipe, folder: Path) -> Iterator[Shop]:
    """A shop in a folder: made if it is not there yet, then opened."""
    settings = Settings(home=folder / recipe.name, earliest_day=EARLIEST_DAY)
    done = folder / f"{recipe.name}.done"
    with Lake(settings, create=True) as lake:
        migrate(lake)
        if not done.exists():
            _fill(lake, recipe, folder)
            done.touch()
        yield Shop(recipe, lake, folder)


def _fill(lake: Lake, recipe: Recipe, folder: Path) -> None:
    now = datetime.now(UTC).replace(tzinfo=None)
    registered = register(lake, recipe.source(folder), load_profile(recipe.profile), source=None, now=now)
    load_days(lake, registered.load_start, registered.load_end, Commit("load"), now=now)
    write_snapshots(lake, recipe.months, lambda each: Commit(f"features {each}"), now=now)


def _cdnow() -> str:
    import lifetimes  # it ships the data, and only who benchmarks needs it

    return str(Path(lifetimes.__file__).parent / "datasets" / "CDNOW_master.txt")


def _synthetic(seed: int) -> Recipe:
    name = f"syn{seed}"

    def made(folder: Path) -> str:
        files = folder / "files" / name
        synthetic.write(files, customers=SYNTHETIC_CUSTOMERS, start=date(2023, 1, 1), end=date(2025, 1, 1), seed=seed)
        return str(files / "transactions")

    judged = (date(2024, 8, 1), date(2024, 9, 1), date(2024, 10, 1))
    return Recipe(name, f"synthetic shop, seed {seed}", "canonical", date(2023, 3, 1), date(2025, 1, 1), judged, made)
