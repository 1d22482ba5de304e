"""The staging area: where lines are between their source and the lake, on one connection.

All names of temporary relations and of DuckDB variables are said here, and nowhere else; `Staging` sets them up, fills
those that both ways into the lake share, and cleans up. What the SQL says is in `rules`; what belongs to one way only
(counts of files, outcomes of deliveries) is in `batch` and in `incremental`, with names from here.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import date, datetime
from enum import StrEnum
from functools import cached_property
from importlib.resources import files
from itertools import count
from typing import TYPE_CHECKING, Self

import duckdb

from segmentation.settings import Settings
from segmentation.sources.profiles.contract import GENERIC_RULES
from segmentation.sources.profiles.profile import Inputs, Profile
from segmentation.sources.readers.arrow_tables import holding
from segmentation.sources.readers.binding import Binding, Wanted
from segmentation.sources.readers.exchange_rates import rates_of
from segmentation.sources.readers.files import Lines, OnColumns, drop_lines, read_lines
from segmentation.sources.readers.limits import ReadingLimits
from segmentation.sources.readers.line_accounts import LineAccount
from segmentation.sources.readers.paths import InputFile
from segmentation.sources.rules.currency import Exchange
from segmentation.sources.rules.deduplication import ACCEPTED, DEDUPLICATED, REJECTED
from segmentation.sources.rules.mapping import ALL_TIME, LoadWindow, gives_currencies
from segmentation.sources.rules.relations import inputs_of, refusals
from segmentation.sources.rules.validation import COLUMNS, repeated_keys, validated
from segmentation.warehouse import Lake
from segmentation.warehouse.customer_bucket import CUSTOMER_BUCKET_MACRO
from segmentation.warehouse.schema import customer_buckets
from segmentation.warehouse.sql import literal

if TYPE_CHECKING:
    import pyarrow as pa


class Relation(StrEnum):
    """Temporary relations: for both ways into the lake, for files, for their products, and for deliveries."""

    MALFORMED_LINES = "malformed_lines"
    VALIDATED_LINES = "validated_lines"
    DUPLICATE_CANDIDATES = "duplicate_candidates"
    EXCHANGE_RATES = "exchange_rates"

    INPUT_FILES = "input_files"
    PRODUCT_LIST = "product_list"
    DEDUPLICATED_LINES = "deduplicated_lines"
    ACCEPTED_LINES = "accepted_lines"
    REJECTED_LINES = "rejected_lines"
    TABLE_COUNTS = "table_counts"
    REFUSED_TABLE_ROWS = "refused_table_rows"
    LINE_COUNTS = "line_counts"
    JOINED_LINES = "joined_lines"
    DAY_COUNTS = "day_counts"
    COMPARED_DAYS = "compared_days"

    PRODUCT_CANDIDATES = "product_candidates"
    PRODUCT_NAMES = "product_names"
    CHOSEN_PRODUCTS = "chosen_products"

    DELIVERED_RECORDS = "delivered_records"
    DELIVERY_SPANS = "delivery_spans"
    STAGED_LINES = "staged_lines"
    CANDIDATE_HASHES = "candidate_hashes"
    EXISTING_LINES = "existing_lines"
    OUTCOMES = "outcomes"
    REFUSED_LINES = "refused_lines"
    ACKNOWLEDGED_DELIVERIES = "acknowledged_deliveries"


class Variable(StrEnum):
    """DuckDB variables, which the macros read; all else that SQL depends on is written into it."""

    EARLIEST_US = "earliest_us"
    LATEST_US = "latest_us"
    PROFILE_TIMEZONE = "profile_timezone"
    PROFILE_DECIMAL = "profile_decimal"
    PROFILE_DATES = "profile_dates"
    PROFILE_NULLS = "profile_nulls"


SET_EARLIEST = f"""
SET VARIABLE {Variable.EARLIEST_US} = CAST(epoch_us(CAST($day AS TIMESTAMP)) AS HUGEINT)
"""

SET_LATEST = f"""
SET VARIABLE {Variable.LATEST_US} = CAST(epoch_us(CAST($now AS TIMESTAMP) + INTERVAL 1 DAY) AS HUGEINT)
"""


MACRO_FILES = ("spellings.sql", "numbers.sql", "dates.sql", "macros.sql")
"""What expressions of profiles may call; each file builds on those before it."""


def define_macros(con: duckdb.DuckDBPyConnection) -> None:
    """Define what expressions of profiles may call; `bound_times` and `read_as` say what they read."""
    macros = [(files("segmentation.sources.rules") / name).read_text(encoding="utf-8") for name in MACRO_FILES]
    # As one transaction: beside a lake, each of sixty would look at its catalog.
    con.execute("\n".join(["BEGIN;", *macros, "COMMIT;"]))


def bound_times(con: duckdb.DuckDBPyConnection, earliest: date, now: datetime) -> None:
    """Let times count as plausible from a day on, until a day later than now (UTC)."""
    con.execute(SET_EARLIEST, {"day": earliest})
    con.execute(SET_LATEST, {"now": now})


def read_as(con: duckdb.DuckDBPyConnection, profile: Profile) -> None:
    """Let the macros read times and numbers as a profile says, from now on."""
    reader = profile.reader
    values = {
        Variable.PROFILE_TIMEZONE: profile.timezone,
        Variable.PROFILE_DECIMAL: reader.decimal,
        Variable.PROFILE_DATES: reader.dates or "",
        Variable.PROFILE_NULLS: [text.strip().lower() for text in reader.nulls] or None,
    }
    for name, value in values.items():
        con.execute(f"SET VARIABLE {name} = $value", {"value": value})


class Staging:
    """The temporary relations, variables and macros of one connection, which does nothing else.

    First `begin`, then `validate` for each source; for files, `deduplicate` at the end. All of it goes when the
    connection is closed.

    Attributes:
        con: The connection, for queries that name relations of `Relation`.
        accounts: By `file_id`, what has become of the physical lines of the text files that were read since `begin`.
        settings: Bound what is read.
    """

    def __init__(self, con: duckdb.DuckDBPyConnection, settings: Settings) -> None:
        """Define what expressions of profiles may call; settings bound what is read."""
        self.con = con
        self.settings = settings
        self._window = ALL_TIME
        self._numbers = count()
        self.accounts: dict[int, LineAccount] = {}
        self._rates = rates_of(settings)
        define_macros(con)
        con.execute(CUSTOMER_BUCKET_MACRO)
        self._empty(Relation.MALFORMED_LINES, "file_id INTEGER, line VARCHAR")
        self._empty_tables()

    @classmethod
    @contextmanager
    def opened(cls, lake: Lake) -> Iterator[Self]:
        """A staging area beside a lake, for a while."""
        with lake.cursor() as con:
            yield cls(con, lake.settings)

    @property
    def max_unreadable_share(self) -> float:
        """Which share of a column's values may be unreadable in a file that is loaded."""
        return self.settings.max_unreadable_share

    def begin(self, now: datetime, window: LoadWindow = ALL_TIME) -> None:
        """Forget the lines that have been staged, and be ready for others.

        Args:
            now: In UTC, without a zone. Times count as plausible from `SEGMENTATION_EARLIEST_DAY` until a day later.
            window: Lines of other times are left out.
        """
        self._window = window
        self.accounts = {}
        bound_times(self.con, self.settings.earliest_day, now)
        self._empty(Relation.MALFORMED_LINES, "file_id INTEGER, line VARCHAR")
        self._empty(Relation.VALIDATED_LINES, COLUMNS)
        self._empty(Relation.DUPLICATE_CANDIDATES, "line_key UBIGINT")
        self._empty_tables()

    def use_profile(self, profile: Profile) -> None:
        """Let the macros read times and numbers as a profile says, from now on."""
        read_as(self.con, profile)

    @contextmanager
    def lines(
        self,
        profile: Profile,
        input_files: Sequence[InputFile],
        *,
        inputs: Inputs | None = None,
        keep: str = "true",
        on_columns: OnColumns = lambda *_: None,
        is_ordered: bool = False,
    ) -> Iterator[list[Lines]]:
        """The lines of files, one relation per set of equal headers, for a while; the profile's from now on.

        Args:
            profile: How they are read.
            input_files: The files.
            inputs: What is read from them; the profile's inputs if None.
            keep: SQL condition over the inputs, as `read_lines` has it.
            on_columns: Told the columns of each file.
            is_ordered: Whether lines keep their place in the file, as `_row_at`.

        Raises:
            SourceError: A file can't be read. Single lines that can't be split into fields go to `MALFORMED_LINES`.
        """
        self.use_profile(profile)
        read: dict[int, LineAccount] = {}

        def note(file: InputFile, account: LineAccount) -> None:
            read[file.file_id] = read[file.file_id] + account if file.file_id in read else account

        groups = read_lines(
            self.con,
            self._relation_name(),
            input_files,
            Wanted(
                profile.name,
                inputs_of(profile) if inputs is None else inputs,
                profile.reader if inputs is None else profile.reader.of_companions(),
                ReadingLimits.of(self.settings),
                is_ordered,
            ),
            malformed=Relation.MALFORMED_LINES,
            keep=keep,
            on_columns=on_columns,
            on_read=note,
        )
        self.accounts |= read
        try:
            yield groups
        finally:
            drop_lines(self.con, groups)

    def validate(
        self,
        profile: Profile,
        source: str,
        groups: Sequence[Lines],
        *,
        finds_duplicates: bool = True,
        has_product_list: bool = False,
        rules: Sequence[tuple[str, str]] = GENERIC_RULES,
    ) -> None:
        """Add lines of a source to `VALIDATED_LINES`.

        Args:
            profile: How they are mapped; its own rules come first.
            source: Name of the source.
            groups: What to validate.
            finds_duplicates: Whether lines that may be duplicates of each other get a remark, for `deduplicate`.
            has_product_list: Whether categories are looked up in `PRODUCT_LIST`.
            rules: Name and SQL condition of the rules that follow.
        """
        if finds_duplicates:
            self.create(Relation.DUPLICATE_CANDIDATES, repeated_keys(profile, groups, self._window))
        for lines in groups:
            query = validated(
                profile,
                source,
                lines,
                self._window,
                candidates=Relation.DUPLICATE_CANDIDATES,
                product_list=Relation.PRODUCT_LIST if has_product_list else None,
                buckets=self._buckets,
                rules=[*refusals(profile), *rules],
                exchange=self._exchange(profile) if gives_currencies(profile, lines) else None,
            )
            self.con.execute(f"INSERT INTO {Relation.VALIDATED_LINES} BY NAME {query}")

    def deduplicate(self) -> None:
        """Define `ACCEPTED_LINES` and `REJECTED_LINES` by what has been validated; needs `INPUT_FILES`."""
        names = {
            "validated": Relation.VALIDATED_LINES,
            "files": Relation.INPUT_FILES,
            "deduplicated": Relation.DEDUPLICATED_LINES,
            "malformed": Relation.MALFORMED_LINES,
            "table_rows": Relation.REFUSED_TABLE_ROWS,
        }
        self.create(Relation.DEDUPLICATED_LINES, DEDUPLICATED.format(**names))
        for relation, query in ((Relation.ACCEPTED_LINES, ACCEPTED), (Relation.REJECTED_LINES, REJECTED)):
            self.con.execute(f"CREATE OR REPLACE TEMP VIEW {relation} AS {query.format(**names)}")

    def hold(self, query: str, headers: Binding, types: Mapping[str, str]) -> Lines:
        """Lines that a query makes of others, until they are given up."""
        name = self._relation_name()
        self.con.execute(f"CREATE TEMP TABLE {name} AS {query}")
        return Lines(name, headers, dict(types))

    def give_up(self, lines: Lines) -> None:
        """Forget lines that are held, and the memory that they take."""
        self.con.execute(f"DROP TABLE {lines.relation}")

    def query(self, relation: Relation) -> duckdb.DuckDBPyRelation:
        """What a relation holds, to be read while the connection is open."""
        return self.con.sql(f"FROM {relation}")

    def create(self, relation: Relation, query: str, values: Mapping[str, object] | None = None) -> None:
        """Fill a relation with what a query gives, in the place of what it held before."""
        self.con.execute(f"CREATE OR REPLACE TEMP TABLE {relation} AS {query}", dict(values or {}))

    @contextmanager
    def holding(self, relation: Relation, table: "pa.Table") -> Iterator[None]:
        """Let SQL read an Arrow table under the name of a relation, for a while."""
        with holding(self.con, relation, table):
            yield

    def _empty_tables(self) -> None:
        self._empty(Relation.TABLE_COUNTS, "file_id INTEGER, rows_read BIGINT, rows_used BIGINT")
        self._empty(Relation.REFUSED_TABLE_ROWS, "file_id INTEGER, reason VARCHAR, original VARCHAR")

    def _relation_name(self) -> str:
        return f"lines_{next(self._numbers)}"

    def _exchange(self, profile: Profile) -> Exchange | None:
        """How money is brought to the reporting currency; the rates are read again when their file has changed."""
        if self._rates is None:
            return None
        self._rates.read(self.con, Relation.EXCHANGE_RATES)
        zone = (self.settings.timezone or "UTC") if profile.timezone == "UTC" else profile.timezone
        return Exchange(literal(self.settings.currency), zone, Relation.EXCHANGE_RATES)

    def _empty(self, relation: Relation, columns: str) -> None:
        self.con.execute(f"CREATE OR REPLACE TEMP TABLE {relation} ({columns})")

    @cached_property
    def _buckets(self) -> int:
        return customer_buckets(self.con)
