"""The schema of the lake: every table with its comments, and how a lake is brought up to it.

Tables are declared here once; feature columns come from the feature catalogue. A new lake gets everything; an older
one gets the tables and columns that it lacks, and whatever numbered migration it has not seen. Migrations only go
forward, and each lake remembers its version.
"""

import hashlib
from collections.abc import Callable
from typing import cast

import duckdb

from segmentation.errors import SegmentationError
from segmentation.features.catalogue import FEATURES, GROUPS, Feature, of_group
from segmentation.warehouse.lake import CATALOG, Lake
from segmentation.warehouse.provenance import Commit
from segmentation.warehouse.tables import Column, Table

SCHEMA_VERSION = 1
MIGRATIONS: dict[int, Callable[[duckdb.DuckDBPyConnection], None]] = {}
"""Per version, what its declarations can't say (a rename, a backfill); version 1 is the declarations alone."""

_AS_OF = Column("as_of", "DATE", "Snapshot date: only lines before this day (UTC) count.", nullable=False)
_CUSTOMER = Column("customer_id", "VARCHAR", "The customer, as the source names them.", nullable=False)

TRANSACTIONS = Table(
    "raw.transactions",
    "One accepted order line. A return or cancellation has a negative quantity and amount.",
    (
        Column("line_id", "VARCHAR", "Identifies the line across all sources.", nullable=False),
        Column("order_id", "VARCHAR", "The order, invoice or basket that the line belongs to.", nullable=False),
        _CUSTOMER,
        Column("product_id", "VARCHAR", "The product, as the source names it.", nullable=False),
        Column("category", "VARCHAR", "Product category, where the source knows it."),
        Column("quantity", "DOUBLE", "Units; negative for a return.", nullable=False),
        Column(
            "unit_price",
            "DOUBLE",
            "Price of one unit before discount, in the shop's currency.",
            nullable=False,
        ),
        Column("amount", "DOUBLE", "What was paid for the line; negative for a return.", nullable=False),
        Column("discount", "DOUBLE", "Money taken off the line's price; zero if none.", nullable=False),
        Column("ordered_at", "TIMESTAMP", "When the order was placed, UTC.", nullable=False),
        Column("country", "VARCHAR", "Country of the customer or delivery, where known."),
        Column("channel", "VARCHAR", "Where it was sold (web, app, store, …), where known."),
        Column("source", "VARCHAR", "Name of the source that delivered the line.", nullable=False),
        Column("ingested_at", "TIMESTAMP", "When the line arrived, or its file was registered, UTC.", nullable=False),
        Column(
            "customer_bucket",
            "INTEGER",
            "Stable hash of customer_id, modulo the lake's buckets.",
            nullable=False,
        ),
    ),
    partitioned_by="customer_bucket",
    sorted_by=("customer_id", "ordered_at"),
)

REJECTED = Table(
    "raw.rejected_transactions",
    "One line that a source's rules refused, with the reason and the line as it was.",
    (
        Column("source", "VARCHAR", "Name of the source that delivered the line.", nullable=False),
        Column("source_file", "VARCHAR", "The file, table, or place in a stream that holds the line.", nullable=False),
        Column("ordered_on", "DATE", "Day of the line; NULL where its date can't be read."),
        Column("reason", "VARCHAR", "Name of the first rule that refused the line.", nullable=False),
        Column("original", "VARCHAR", "The line as read, as JSON.", nullable=False),
        Column("ingested_at", "TIMESTAMP", "When the line arrived, or its file was registered, UTC.", nullable=False),
    ),
)

PRODUCTS = Table(
    "raw.products",
    "One product, from a source's product list or, without one, from its lines.",
    (
        Column("product_id", "VARCHAR", "The product, as the source names it.", nullable=False),
        Column("product_name", "VARCHAR", "What the product is called, where known."),
        Column("category", "VARCHAR", "Category, where known."),
        Column("department", "VARCHAR", "Department above the category, where known."),
        Column("brand", "VARCHAR", "Brand, where known."),
        Column("source", "VARCHAR", "Name of the source that delivered the product.", nullable=False),
    ),
    sorted_by=("product_id",),
)

SOURCE_FILES = Table(
    "raw.source_files",
    "One file that has been handed to the platform; partitions are loaded from the files that cover their days.",
    (
        Column("source", "VARCHAR", "Name of the source that the file belongs to.", nullable=False),
        Column("path", "VARCHAR", "Absolute path or URL of the file.", nullable=False),
        Column("profile", "VARCHAR", "The profile (YAML) that reads the file.", nullable=False),
        Column("line_count", "BIGINT", "Lines in the file.", nullable=False),
        Column("first_day", "DATE", "Day of its earliest line (UTC); NULL if no line has a readable date."),
        Column("last_day", "DATE", "Day of its latest line (UTC); NULL if no line has a readable date."),
        Column("byte_size", "BIGINT", "Size of the file.", nullable=False),
        Column("modified_at", "TIMESTAMP", "When the file was last changed before it was registered, UTC."),
        Column("registered_at", "TIMESTAMP", "When the file was first registered, UTC.", nullable=False),
    ),
)

LOADS = Table(
    "raw.loads",
    "One source file and day as last loaded: how many lines were read, accepted and rejected.",
    (
        Column("source", "VARCHAR", "Name of the source.", nullable=False),
        Column("source_file", "VARCHAR", "The file that holds the lines.", nullable=False),
        Column("ordered_on", "DATE", "Day of the lines; NULL for lines whose date can't be read."),
        Column("lines_read", "BIGINT", "Lines that the file holds for the day.", nullable=False),
        Column("lines_accepted", "BIGINT", "Lines that went to raw.transactions.", nullable=False),
        Column("lines_rejected", "BIGINT", "Lines that went to raw.rejected_transactions.", nullable=False),
    ),
)

DELIVERIES = Table(
    "raw.deliveries",
    "One delivery of lines that a source handed over and the lake acknowledged: a push, a batch of a stream, or a page "
    "of a database's rows.",
    (
        Column("source", "VARCHAR", "Name of the source.", nullable=False),
        Column(
            "delivery_key", "VARCHAR", "What the sender calls the delivery, so that it is taken once; NULL if nothing."
        ),
        Column("content_hash", "VARCHAR", "SHA-256 of what was sent; NULL without a key."),
        Column("received_at", "TIMESTAMP", "When it was written, UTC.", nullable=False),
        Column("lines_read", "BIGINT", "Lines in it: new + replaced + repeated + rejected ones.", nullable=False),
        Column("lines_new", "BIGINT", "Lines that the lake hadn't.", nullable=False),
        Column("lines_replaced", "BIGINT", "Lines whose content took the place of an earlier one's.", nullable=False),
        Column("lines_repeated", "BIGINT", "Lines that the lake had already, just so.", nullable=False),
        Column("lines_rejected", "BIGINT", "Lines that went to raw.rejected_transactions.", nullable=False),
        Column("rejected_by_reason", "VARCHAR", "Their number by reason, as a JSON object.", nullable=False),
        Column("first_day", "DATE", "Earliest day (UTC) whose lines it changed; NULL if it changed none."),
        Column("last_day", "DATE", "Latest day (UTC) whose lines it changed."),
    ),
)

POSITIONS = Table(
    "raw.positions",
    "How far a stream or a database table has been read: everything before is in the lake, and nothing after. Of a "
    "channel the row with the highest revision counts; earlier ones are cleared away now and then.",
    (
        Column("source", "VARCHAR", "Name of the source.", nullable=False),
        Column(
            "channel", "VARCHAR", "What is read: `topic/partition` of a stream, or the cursor's column.", nullable=False
        ),
        Column(
            "position", "VARCHAR", "The next offset of a partition, or the last value of the cursor.", nullable=False
        ),
        Column("revision", "BIGINT", "1, 2, 3, … of the source, in order of commits.", nullable=False),
        Column("updated_at", "TIMESTAMP", "When, UTC.", nullable=False),
    ),
)

SOURCE_SCHEMAS = Table(
    "raw.source_schemas",
    "One set of columns that a source delivered and hadn't before; the last accepted one is what is expected.",
    (
        Column("source", "VARCHAR", "Name of the source.", nullable=False),
        Column("columns", "VARCHAR", "Type by column, as a JSON object.", nullable=False),
        Column("seen_in", "VARCHAR", "The file, topic or table where it was first seen.", nullable=False),
        Column("seen_at", "TIMESTAMP", "When, UTC.", nullable=False),
        Column(
            "accepted_at", "TIMESTAMP", "When a person accepted it, UTC; a source's first one is accepted by itself."
        ),
    ),
)


def _feature_column(feature: Feature) -> Column:
    return Column(feature.name, feature.type, f"{feature.description} Unit: {feature.unit}.")


def _feature_table(name: str, comment: str, features: tuple[Feature, ...]) -> Table:
    return Table(
        name,
        comment,
        (_AS_OF, _CUSTOMER, *(_feature_column(feature) for feature in features)),
        partitioned_by="as_of",
        sorted_by=("customer_id",),
    )


FEATURE_GROUPS = {
    group: _feature_table(
        f"features.{group}",
        f"One customer with a purchase in the look-back window before as_of: {group} features.",
        of_group(group),
    )
    for group in GROUPS
}

CUSTOMER_FEATURES = _feature_table(
    "features.customer_features",
    "One customer with a purchase in the look-back window before as_of: all feature groups side by side.",
    FEATURES,
)

FEATURE_SNAPSHOTS = Table(
    "registry.feature_snapshots",
    "One feature snapshot as last written: what it was made of, and by which code.",
    (
        _AS_OF,
        Column("window_start", "DATE", "First day of the look-back window (UTC).", nullable=False),
        Column("home_market", "VARCHAR", "The shop's home market in this window, where known."),
        Column("customer_count", "BIGINT", "Customers, each with one row in every feature table.", nullable=False),
        Column("computed_count", "BIGINT", "Of them, those computed anew by the last run.", nullable=False),
        Column("lake_version", "BIGINT", "Version of the lake whose lines were read.", nullable=False),
        Column("code_version", "VARCHAR", "Hash of the feature catalogue and its SQL.", nullable=False),
        Column("git_commit", "VARCHAR", "The platform's commit; `-dirty` with local changes; NULL if unknown."),
        Column("engine", "VARCHAR", "The engine that computed, `duckdb` or `spark`.", nullable=False),
        Column("computed_at", "TIMESTAMP", "When, UTC.", nullable=False),
        Column("run_id", "VARCHAR", "The Dagster run that computed it."),
    ),
)

TRAINING_SETS = Table(
    "registry.training_sets",
    "One set of customers that models were trained on, pinned to a snapshot of the lake.",
    (
        Column("training_set_id", "VARCHAR", "Hash of the rows and of how they are used.", nullable=False),
        Column("as_of", "DATE", "Snapshot date of the features.", nullable=False),
        Column("lake_snapshot", "BIGINT", "Version of the lake that holds exactly these rows.", nullable=False),
        Column("customer_count", "BIGINT", "Customers in the set.", nullable=False),
        Column("features", "VARCHAR", "Names of the features that are used, as a JSON list.", nullable=False),
        Column("judged_as_of", "DATE", "Earlier snapshot at which forward value is judged; NULL without history."),
        Column("learned_as_of", "DATE", "Snapshot before that, at which it is learned what announces spend."),
        Column("forward_days", "INTEGER", "Days after those dates in which spend counts."),
        Column("created_at", "TIMESTAMP", "When it was first recorded, UTC.", nullable=False),
    ),
)

MODELS = Table(
    "registry.models",
    "One version of the segmentation model. Rows are never changed.",
    (
        Column("version", "INTEGER", "1, 2, 3, … in order of training.", nullable=False),
        Column("model_hash", "VARCHAR", "SHA-256 of the artefact's fitted content.", nullable=False),
        Column(
            "artefact",
            "VARCHAR",
            "The artefact, as JSON: everything from raw features to segment.",
            nullable=False,
        ),
        Column("training_set_id", "VARCHAR", "What it was trained on.", nullable=False),
        Column("metrics", "VARCHAR", "Named measures of the fit, as a JSON object.", nullable=False),
        Column("created_at", "TIMESTAMP", "When it was registered, UTC.", nullable=False),
        Column("run_id", "VARCHAR", "The Dagster run that trained it."),
    ),
)

PROMOTIONS = Table(
    "registry.promotions",
    "The ledger of aliases, append-only: the last line of an alias says which version holds it. A version is archived "
    "while its own last line says so.",
    (
        Column("promotion_id", "INTEGER", "1, 2, 3, … in order of decision.", nullable=False),
        Column("alias", "VARCHAR", "candidate, challenger, champion, rolled_back or archived.", nullable=False),
        Column("version", "INTEGER", "The version that the alias points to from now on.", nullable=False),
        Column("decided_at", "TIMESTAMP", "When, UTC.", nullable=False),
        Column("actor", "VARCHAR", "Who or what decided.", nullable=False),
        Column("reason", "VARCHAR", "Why.", nullable=False),
        Column("gates", "VARCHAR", "What the gates said, as a JSON object by gate; NULL where none was asked."),
    ),
)

SEGMENTS = Table(
    "registry.segments",
    "One segment of one model version, or one that retired with it: its identity, name and lineage.",
    (
        Column("version", "INTEGER", "The model version.", nullable=False),
        Column("segment_id", "INTEGER", "The segment, the same number wherever it is named.", nullable=False),
        Column("segment_name", "VARCHAR", "What people call it.", nullable=False),
        Column("description", "VARCHAR", "What sets it apart, in a sentence.", nullable=False),
        Column("colour", "VARCHAR", "Its colour in charts, `#rrggbb`."),
        Column(
            "event",
            "VARCHAR",
            "`new`, `kept`, `split`, `merged`, or `retired` for a segment of the predecessor that is gone.",
        ),
        Column(
            "relatives",
            "VARCHAR",
            "JSON list of the predecessor's segments that it descends from (for a retired one: of those that took its "
            "customers), each with the share that it gave and the share that was received.",
        ),
    ),
)

SEGMENT_NAMES = Table(
    "registry.segment_names",
    "One name that a person gave to a segment, append-only: the last line of a segment counts, in all versions.",
    (
        Column("naming_id", "INTEGER", "1, 2, 3, … in order of decision.", nullable=False),
        Column("segment_id", "INTEGER", "The segment.", nullable=False),
        Column("segment_name", "VARCHAR", "Its name; empty to go back to the trained one.", nullable=False),
        Column("decided_at", "TIMESTAMP", "When, UTC.", nullable=False),
        Column("actor", "VARCHAR", "Who decided.", nullable=False),
        Column("reason", "VARCHAR", "Why.", nullable=False),
    ),
)

CUSTOMER_SEGMENTS = Table(
    "segments.customer_segments",
    "One customer as of a date: the segment that the champion of that moment gave.",
    (
        _AS_OF,
        _CUSTOMER,
        Column("segment_id", "INTEGER", "The segment.", nullable=False),
        Column("segment_name", "VARCHAR", "Its name.", nullable=False),
        Column("runner_up_id", "INTEGER", "The next nearest segment.", nullable=False),
        Column("distance", "DOUBLE", "Distance to the segment's centroid in model space.", nullable=False),
        Column("runner_up_distance", "DOUBLE", "Distance to the runner-up's centroid.", nullable=False),
        Column("confidence", "DOUBLE", "1 - distance / runner-up distance, 0 to 1.", nullable=False),
        Column("is_low_confidence", "BOOLEAN", "Whether the confidence is below the segment's cut-off."),
        Column("nearest_id", "INTEGER", "The nearest segment; another one than theirs only under hysteresis."),
        Column("nearest_since", "DATE", "Since which snapshot that has been the nearest."),
        Column("model_version", "INTEGER", "The model version that decided.", nullable=False),
    ),
    partitioned_by="as_of",
    sorted_by=("customer_id",),
)

SEGMENT_TRANSITIONS = Table(
    "segments.segment_transitions",
    "How many customers went from one segment to another since the snapshot before, and why.",
    (
        _AS_OF,
        Column("previous_as_of", "DATE", "The snapshot before; NULL for the first one."),
        Column("from_segment_id", "INTEGER", "Segment in the snapshot before; NULL for new customers."),
        Column("from_segment_name", "VARCHAR", "Its name then."),
        Column("to_segment_id", "INTEGER", "Segment now; NULL for customers without a purchase in the window."),
        Column("to_segment_name", "VARCHAR", "Its name."),
        Column(
            "cause",
            "VARCHAR",
            "`stayed`, `customer_moved`, `model_moved` (the former model would have left them where they were), `new` "
            "or `lapsed`.",
            nullable=False,
        ),
        Column("customer_count", "BIGINT", "Customers.", nullable=False),
        Column("revenue", "DOUBLE", "Their net revenue in the window; of the snapshot before for the lapsed."),
        Column("previous_model_version", "INTEGER", "The model version that decided before."),
        Column("model_version", "INTEGER", "The model version that decided now."),
    ),
    partitioned_by="as_of",
)

SEGMENT_EVENTS = Table(
    "segments.segment_events",
    "One customer who entered or left a segment since the snapshot before; nobody who stayed.",
    (
        _AS_OF,
        _CUSTOMER,
        Column("event", "VARCHAR", "`entered` or `left`.", nullable=False),
        Column("segment_id", "INTEGER", "The segment.", nullable=False),
        Column("segment_name", "VARCHAR", "Its name.", nullable=False),
        Column("other_segment_id", "INTEGER", "Where they came from or went; NULL for new and lapsed customers."),
        Column("cause", "VARCHAR", "As in `segments.segment_transitions`.", nullable=False),
        Column("model_version", "INTEGER", "The model version that decided; NULL for lapsed customers."),
    ),
    partitioned_by="as_of",
    sorted_by=("customer_id",),
)

SEGMENT_PROFILES = Table(
    "segments.segment_profiles",
    "One segment as of a date: its size, its share of revenue and its typical customer.",
    (
        _AS_OF,
        Column("segment_id", "INTEGER", "The segment.", nullable=False),
        Column("segment_name", "VARCHAR", "Its name.", nullable=False),
        Column("description", "VARCHAR", "What sets it apart, in a sentence.", nullable=False),
        Column("model_version", "INTEGER", "The model version that decided.", nullable=False),
        Column("customer_count", "BIGINT", "Customers in the segment.", nullable=False),
        Column("customer_share", "DOUBLE", "Its share of all customers.", nullable=False),
        Column("revenue", "DOUBLE", "Net revenue of its customers in the window.", nullable=False),
        Column("revenue_share", "DOUBLE", "Its share of all net revenue; NULL if there is none."),
        Column("median_recency_days", "DOUBLE", "Median days since the last order.", nullable=False),
        Column("mean_order_count", "DOUBLE", "Mean number of orders.", nullable=False),
        Column("mean_order_value", "DOUBLE", "Mean of the customers' average order values.", nullable=False),
        Column("mean_net_revenue", "DOUBLE", "Mean net revenue per customer.", nullable=False),
        Column("mean_confidence", "DOUBLE", "Mean confidence of the assignment.", nullable=False),
    ),
    partitioned_by="as_of",
)

SEGMENT_EXPLANATIONS = Table(
    "segments.segment_explanations",
    "One thing that sets a segment apart as of a date; the lowest ranks of a kind tell most.",
    (
        _AS_OF,
        Column("segment_id", "INTEGER", "The segment.", nullable=False),
        Column("segment_name", "VARCHAR", "Its name.", nullable=False),
        Column("model_version", "INTEGER", "The model version that decided.", nullable=False),
        Column(
            "kind",
            "VARCHAR",
            "`difference`: a feature in which it differs; `rule`: a way to describe its customers; `product`, "
            "`category`: what they buy; `rfm`: a named RFM segment among them.",
            nullable=False,
        ),
        Column("rank", "INTEGER", "1, 2, 3, … within segment and kind.", nullable=False),
        Column(
            "item",
            "VARCHAR",
            "The feature; the rule, as a condition on features.customer_features; the product id; the category; the "
            "RFM segment.",
            nullable=False,
        ),
        Column(
            "value",
            "DOUBLE",
            "The segment's figure. `difference`: its typical value (the mean on the feature's transform scale, taken "
            "back); `rule`: precision, the share of those who meet it that are in the segment; the other kinds: share "
            "of the segment's customers who bought it, or are in it.",
            nullable=False,
        ),
        Column(
            "reference",
            "DOUBLE",
            "The same of everybody; for a `rule` the segment's share of all customers, which is the precision of "
            "guessing.",
            nullable=False,
        ),
        Column(
            "score",
            "DOUBLE",
            "`difference`: (segment mean - mean of all) / standard deviation of all, on the transform scale; `rule`: "
            "coverage, the share of the segment that meets it; `product`, `category`: lower 95 % confidence bound of "
            "the lift value / reference; `rfm`: the lift.",
            nullable=False,
        ),
        Column("sentence", "VARCHAR", "The same in words.", nullable=False),
    ),
    partitioned_by="as_of",
)

_MODEL_VERSION = Column("model_version", "INTEGER", "The model version that is judged.", nullable=False)

FEATURE_DRIFT = Table(
    "monitoring.feature_drift",
    "One measure of how far a feature as of a date is from what a model version was trained on.",
    (
        _AS_OF,
        _MODEL_VERSION,
        Column(
            "feature",
            "VARCHAR",
            "The feature, as the catalogue names it; `segment` for the segment mix, `lines` for the order lines of the "
            "last month.",
            nullable=False,
        ),
        Column(
            "metric",
            "VARCHAR",
            "How the distance is measured: `psi`, `wasserstein`, `ks`, `missing_share`, `zero_share`; of lines what "
            "share of them is odd.",
            nullable=False,
        ),
        Column("value", "DOUBLE", "The distance, 0 for none; NULL where one side has no values."),
        Column("threshold", "DOUBLE", "From here on it counts as drift; NULL for a measure that is only reported."),
        Column("is_drifting", "BOOLEAN", "Whether the value reaches the threshold.", nullable=False),
        Column(
            "cause",
            "VARCHAR",
            "What it comes from where it drifts: `data_quality`, `mix` (other customers: new ones against returning "
            "ones) or `behaviour` (the same kind of customers does otherwise); NULL where it doesn't drift.",
        ),
    ),
    partitioned_by="as_of",
    sorted_by=("model_version", "feature", "metric"),
)

MODEL_QUALITY = Table(
    "monitoring.model_quality",
    "One measure of how well a model version divides the customers as of a date.",
    (
        _AS_OF,
        _MODEL_VERSION,
        Column("metric", "VARCHAR", "What is measured, such as `simplified_silhouette`.", nullable=False),
        Column("value", "DOUBLE", "The measure; NULL where the customers of that date don't allow it."),
        Column("training_value", "DOUBLE", "The same on the customers that the model was trained on."),
        Column("threshold", "DOUBLE", "The worst value that will do; NULL for a measure that is only reported."),
        Column("is_degraded", "BOOLEAN", "Whether the value is worse than the threshold.", nullable=False),
    ),
    partitioned_by="as_of",
    sorted_by=("model_version", "metric"),
)

API_KEYS = Table(
    "access.api_keys",
    "One API key of the scorer; of its secret only a salted hash.",
    (
        Column("key_id", "VARCHAR", "The public part of the key.", nullable=False),
        Column("name", "VARCHAR", "Who or what it is for.", nullable=False),
        Column("scopes", "VARCHAR", "What it allows, separated by spaces: score, read, ingest, admin.", nullable=False),
        Column("salt", "VARCHAR", "Hashed before the secret.", nullable=False),
        Column("digest", "VARCHAR", "SHA-256 of salt and secret, in hexadecimal.", nullable=False),
        Column("created_at", "TIMESTAMP", "When it was made, UTC.", nullable=False),
        Column("expires_at", "TIMESTAMP", "From when on it is refused, UTC; NULL for never."),
        Column("revoked_at", "TIMESTAMP", "When it was revoked, UTC."),
    ),
)

SCHEMA_VERSIONS = Table(
    "registry.schema_versions",
    "One change of the lake's schema; the last row is what the lake is at.",
    (
        Column("version", "INTEGER", "Version of the schema.", nullable=False),
        Column("fingerprint", "VARCHAR", "Hash of all declarations at that moment.", nullable=False),
        Column("customer_buckets", "INTEGER", "Buckets of raw.transactions, fixed at creation.", nullable=False),
        Column("applied_at", "TIMESTAMP", "When, UTC.", nullable=False),
    ),
)

STREAMED_TABLES = (TRANSACTIONS, REJECTED, DELIVERIES, POSITIONS)
"""What every delivery adds some rows to."""

TABLES: tuple[Table, ...] = (
    SCHEMA_VERSIONS,
    TRANSACTIONS,
    REJECTED,
    PRODUCTS,
    SOURCE_FILES,
    LOADS,
    DELIVERIES,
    POSITIONS,
    SOURCE_SCHEMAS,
    *FEATURE_GROUPS.values(),
    CUSTOMER_FEATURES,
    FEATURE_SNAPSHOTS,
    TRAINING_SETS,
    MODELS,
    PROMOTIONS,
    SEGMENTS,
    SEGMENT_NAMES,
    CUSTOMER_SEGMENTS,
    SEGMENT_PROFILES,
    SEGMENT_TRANSITIONS,
    SEGMENT_EVENTS,
    SEGMENT_EXPLANATIONS,
    FEATURE_DRIFT,
    MODEL_QUALITY,
    API_KEYS,
)


def migrate(lake: Lake, tables: tuple[Table, ...] = TABLES) -> bool:
    """Bring the lake up to the declared schema. Safe to call at every start and from several processes at once.

    Args:
        lake: A writable lake.
        tables: What it should hold.

    Returns:
        Whether anything had to be changed.

    Raises:
        SegmentationError: The lake was made by a newer release, or has another number of buckets than the settings.
    """
    fingerprint = _fingerprint(tables)
    with lake.cursor() as con:
        if _is_current(con, lake, fingerprint):
            return False
        commit = Commit(f"Schema version {SCHEMA_VERSION}", asset="warehouse/schema")
        return lake.transaction(con, commit, lambda c: _apply(c, lake, tables, fingerprint))


def customer_buckets(con: duckdb.DuckDBPyConnection) -> int:
    """How many customer buckets the lake was created with."""
    return _last_version(con)[2]


def identity(con: duckdb.DuckDBPyConnection) -> str:
    """What tells this lake from all others, eight hexadecimal digits: a hash of when it was made."""
    row = con.execute(f"SELECT MIN(applied_at) FROM {SCHEMA_VERSIONS.name}").fetchone()
    return hashlib.sha256(str(row).encode()).hexdigest()[:8]


def _apply(con: duckdb.DuckDBPyConnection, lake: Lake, tables: tuple[Table, ...], fingerprint: str) -> bool:
    if _is_current(con, lake, fingerprint):
        return False
    before = _last_version(con)[0] if exists(con, SCHEMA_VERSIONS) else SCHEMA_VERSION
    for version in range(before + 1, SCHEMA_VERSION + 1):
        if version in MIGRATIONS:
            MIGRATIONS[version](con)
    for table in tables:
        _create_or_extend(con, table)
    con.execute(
        f"INSERT INTO {SCHEMA_VERSIONS.name} VALUES ($version, $fingerprint, $buckets, now() AT TIME ZONE 'UTC')",
        {"version": SCHEMA_VERSION, "fingerprint": fingerprint, "buckets": lake.settings.customer_buckets},
    )
    return True


def _create_or_extend(con: duckdb.DuckDBPyConnection, table: Table) -> None:
    existing = _columns(con, table)
    if not existing:
        con.execute(f"CREATE SCHEMA IF NOT EXISTS {table.schema}")
        for statement in table.create_statements():
            con.execute(statement)
    else:
        for column in table.columns:
            if column.name not in existing:
                con.execute(f"ALTER TABLE {table.name} ADD COLUMN {column.name} {column.type}")
    for statement in table.comment_statements():
        con.execute(statement)


def _is_current(con: duckdb.DuckDBPyConnection, lake: Lake, fingerprint: str) -> bool:
    if not exists(con, SCHEMA_VERSIONS):
        return False
    version, seen, buckets = _last_version(con)
    if version > SCHEMA_VERSION:
        raise SegmentationError(
            f"The lake has schema version {version}; this release knows {SCHEMA_VERSION}. Update the software."
        )
    if buckets != lake.settings.customer_buckets:
        raise SegmentationError(
            f"The lake was created with {buckets} customer buckets, SEGMENTATION_CUSTOMER_BUCKETS says "
            f"{lake.settings.customer_buckets}. Set it to {buckets}, or make a new lake in another SEGMENTATION_HOME."
        )
    return version == SCHEMA_VERSION and seen == fingerprint


def _last_version(con: duckdb.DuckDBPyConnection) -> tuple[int, str, int]:
    row = con.execute(
        f"SELECT version, fingerprint, customer_buckets FROM {SCHEMA_VERSIONS.name} "
        "ORDER BY version DESC, applied_at DESC LIMIT 1"
    ).fetchone()
    return cast("tuple[int, str, int]", row)


def exists(con: duckdb.DuckDBPyConnection, table: Table) -> bool:
    """Whether the lake has the table: one of an older release, opened for reading only, may lack it."""
    return bool(_columns(con, table))


def _columns(con: duckdb.DuckDBPyConnection, table: Table) -> set[str]:
    rows = con.execute(
        "SELECT column_name FROM duckdb_columns() "
        "WHERE database_name = $catalog AND schema_name || '.' || table_name = $name",
        {"catalog": CATALOG, "name": table.name},
    ).fetchall()
    return {row[0] for row in rows}


def _fingerprint(tables: tuple[Table, ...]) -> str:
    return hashlib.sha256(repr(tables).encode()).hexdigest()
