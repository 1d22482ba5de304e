"""The synthetic shop as a whole: chunk by chunk, in memory or as Parquet files."""

from dataclasses import dataclass
from datetime import date
from pathlib import Path

import polars as pl

from segmentation.progress import Progress
from segmentation.synthetic.customers import draw_customers
from segmentation.synthetic.dirt import with_dirt
from segmentation.synthetic.frames import archetypes_frame, customer_ids, transactions_frame
from segmentation.synthetic.product_range import ProductRange, build_product_range
from segmentation.synthetic.purchases import draw_lines, draw_orders
from segmentation.synthetic.returns import draw_returns
from segmentation.synthetic.seasons import Calendar, build_calendar
from segmentation.synthetic.streams import Streams
from segmentation.synthetic.variation import AS_DESCRIBED, Variation

CHUNK_CUSTOMERS = 10_000


@dataclass(frozen=True)
class SyntheticShop:
    """A synthetic shop in memory.

    Attributes:
        transactions: The lines, in the columns of the transaction contract up to `channel`.
        products: product_id, product_name, category, department, brand.
        archetypes: customer_id, archetype; every customer has a purchase in the transactions.
    """

    transactions: pl.DataFrame
    products: pl.DataFrame
    archetypes: pl.DataFrame


@dataclass(frozen=True)
class SyntheticFiles:
    """A synthetic shop on disk.

    Attributes:
        transactions: Parquet files, one per chunk of customers.
        products: Parquet file of the products.
        archetypes: Parquet file of the archetypes.
        lines: Number of transaction lines, returns and dirty ones included.
        customers: Number of customers.
        orders: Number of orders, returns not counted.
    """

    transactions: tuple[Path, ...]
    products: Path
    archetypes: Path
    lines: int
    customers: int
    orders: int


@dataclass(frozen=True)
class _Chunk:
    transactions: pl.DataFrame
    archetypes: pl.DataFrame
    orders: int


@dataclass(frozen=True)
class _Part:
    """A chunk whose lines are on disk."""

    path: Path
    archetypes: pl.DataFrame
    lines: int
    orders: int


@dataclass(frozen=True)
class _Plan:
    """What all chunks share."""

    customers: int
    seed: int
    calendar: Calendar
    product_range: ProductRange
    variation: Variation

    @property
    def chunks(self) -> range:
        return range(-(-self.customers // CHUNK_CUSTOMERS))


def generate(*, customers: int, start: date, end: date, seed: int = 7) -> SyntheticShop:
    """Generate a synthetic shop in memory.

    The same arguments give the same shop, and more customers give the same ones first.

    Args:
        customers: How many customers; about 50 lines each over two years.
        start: First day of the window.
        end: First day after the window.
        seed: Seed of all randomness, not negative.

    Raises:
        ValueError: If there is no customer or no day to generate, or if the seed is negative.
    """
    plan = _plan(customers, start, end, seed, AS_DESCRIBED)
    chunks = [_make_chunk(plan, number) for number in plan.chunks]
    return SyntheticShop(
        transactions=pl.concat([chunk.transactions for chunk in chunks], rechunk=True),
        products=plan.product_range.products,
        archetypes=pl.concat([chunk.archetypes for chunk in chunks], rechunk=True),
    )


def write(
    directory: Path,
    *,
    customers: int,
    start: date,
    end: date,
    seed: int = 7,
    variation: Variation = AS_DESCRIBED,
    progress: Progress | None = None,
) -> SyntheticFiles:
    """Write the shop that `generate` makes as Parquet files, one chunk of customers after the other.

    Memory holds the lines of one chunk, whatever the size, and the archetype of every customer. Files of an
    earlier run in the same directory are removed first. A file is there in full or not at all, and
    `archetypes.parquet` comes last: with it, the set is complete.

    Args:
        directory: Where to write `transactions/part-*.parquet`, `products.parquet` and `archetypes.parquet`.
        customers: How many customers.
        start: First day of the window.
        end: First day after the window.
        seed: Seed of all randomness, not negative.
        variation: How it differs from the shop that `generate` makes, for a demonstration.
        progress: Called after each chunk with the number of customers written and to write.

    Raises:
        ValueError: If there is no customer or no day to generate, or if the seed is negative.
    """
    plan = _plan(customers, start, end, seed, variation)
    _clear(directory)
    parts = []
    for number in plan.chunks:
        parts.append(_write_part(plan, number, directory))
        if progress:
            progress(min((number + 1) * CHUNK_CUSTOMERS, customers), customers)
    archetypes = pl.concat([part.archetypes for part in parts])
    return SyntheticFiles(
        transactions=tuple(part.path for part in parts),
        products=_write_parquet(plan.product_range.products, directory / "products.parquet"),
        archetypes=_write_parquet(archetypes, directory / "archetypes.parquet"),
        lines=sum(part.lines for part in parts),
        customers=customers,
        orders=sum(part.orders for part in parts),
    )


def _plan(customers: int, start: date, end: date, seed: int, variation: Variation) -> _Plan:
    if customers < 1:
        raise ValueError(f"customers is {customers}; ask for at least 1.")
    if end <= start:
        raise ValueError(f"The window from {start} to {end} holds no day; choose an end after the start.")
    if seed < 0:
        raise ValueError(f"seed is {seed}; choose 0 or more.")
    calendar = build_calendar(start, end, seasonality=variation.seasonality)
    return _Plan(customers, seed, calendar, build_product_range(seed), variation)


def _make_chunk(plan: _Plan, number: int) -> _Chunk:
    first = number * CHUNK_CUSTOMERS
    count = min(CHUNK_CUSTOMERS, plan.customers - first)
    streams = Streams(plan.seed, number)
    people = draw_customers(streams, count, plan.calendar, plan.variation.arrivals_from)
    orders = draw_orders(streams, people, plan.calendar)
    purchases = draw_lines(streams, people, orders, plan.product_range, plan.variation.promotion)
    returns = draw_returns(streams, people, orders, purchases, plan.product_range, plan.calendar)
    names = customer_ids(first + 1, count)
    lines = transactions_frame(names, orders, purchases, returns, plan.product_range)
    return _Chunk(
        transactions=with_dirt(lines, plan.variation.dirty_share, streams),
        archetypes=archetypes_frame(names, people.archetype),
        orders=orders.second.size,
    )


def _write_part(plan: _Plan, number: int, directory: Path) -> _Part:
    chunk = _make_chunk(plan, number)
    path = _write_parquet(chunk.transactions, directory / "transactions" / f"part-{number:05d}.parquet")
    return _Part(path, chunk.archetypes, chunk.transactions.height, chunk.orders)


def _clear(directory: Path) -> None:
    """Make room for the files of one run: parts of two runs must never mix."""
    parts = directory / "transactions"
    parts.mkdir(parents=True, exist_ok=True)
    for stale in (directory / "archetypes.parquet", *parts.glob("part-*.parquet")):
        stale.unlink(missing_ok=True)


def _write_parquet(frame: pl.DataFrame, path: Path) -> Path:
    partial = path.with_name(f".{path.name}.partial")
    frame.write_parquet(partial)
    return partial.replace(path)
