"""The registry: snapshots, training sets, models, promotions, segment identities, schema versions."""

from segmentation.metadata.table import Column, Table
from segmentation.metadata.tables.columns import AS_OF

SNAPSHOTS = Table(
    "registry.snapshots",
    "The ledger of snapshots: one table as of a date as last written, and what it was made of. `segmentation snapshots "
    "list` says which of them are current.",
    (
        Column("table_name", "VARCHAR", "The table, as `schema.table`.", nullable=False),
        AS_OF,
        Column("row_count", "BIGINT", "Rows that the table has as of that date.", nullable=False),
        Column("lake_version", "BIGINT", "Version of the lake that was read.", nullable=False),
        Column(
            "written_version",
            "BIGINT",
            "Version of the lake that last changed the rows; making the same rows again changes none.",
            nullable=False,
        ),
        Column("code_version", "VARCHAR", "Hash of the definitions and the code that made it.", nullable=False),
        Column("window_start", "DATE", "Features: first day of the look-back window."),
        Column("home_market", "VARCHAR", "Features: the shop's home market in this window, where known."),
        Column("computed_count", "BIGINT", "Features: customers computed anew by the last run."),
        Column("engine", "VARCHAR", "Features: the engine that computed, `duckdb` or `spark`."),
        Column("previous_as_of", "DATE", "Segments and movement: the snapshot before, which they were compared with."),
        Column("model_version", "INTEGER", "The model version that decided, or was judged."),
        Column("git_commit", "VARCHAR", "The platform's commit; `-dirty` with local changes; NULL if unknown."),
        Column("made_at", "TIMESTAMP", "When, UTC.", nullable=False),
        Column("run_id", "VARCHAR", "The Dagster run that made it."),
        Column("asked_by", "VARCHAR", "Who asked for it: a person's command, a sensor, or training for its history."),
        Column(
            "is_requested",
            "BOOLEAN",
            "Whether somebody asked for this very date; it stays when old snapshots become fewer.",
            nullable=False,
        ),
        Column("timezone", "VARCHAR", "Features: the shop's time zone, in which days begin; NULL is UTC."),
        Column("ends_at", "TIMESTAMP", "Features: when as_of begins there, UTC; lines from then on don't count."),
        Column(
            "home_market_lead",
            "BIGINT",
            "Features: by at least so many lines the home market leads before the next country; NULL if it was set.",
        ),
        Column(
            "segmentations",
            "VARCHAR",
            "Segments: the version of each definition that decided besides the model, as a JSON object by name.",
        ),
    ),
)

SNAPSHOT_REQUESTS = Table(
    "registry.snapshot_requests",
    "One request for a snapshot that the scorer took, append-only. Whether it is done, `registry.snapshots` tells.",
    (
        Column("request_id", "BIGINT", "1, 2, 3, … in order of asking.", nullable=False),
        Column("as_of", "DATE", "The date that is asked for.", nullable=False),
        Column("requested_at", "TIMESTAMP", "When, UTC.", nullable=False),
        Column("requested_by", "VARCHAR", "Who: `key:NAME`, `token:SUBJECT`, or `anybody`.", nullable=False),
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
        Column("pooled_as_of", "VARCHAR", "Further dates that it is learned from, as a JSON list, newest first."),
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
        Column(
            "alias",
            "VARCHAR",
            "candidate, challenger, champion, rolled_back, archived, refused (by a gate) or passed_over.",
            nullable=False,
        ),
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

SEGMENTATIONS = Table(
    "registry.segmentations",
    "One version of a segmentation of your own, append-only: the last line of a name is what is declared.",
    (
        Column("segmentation_name", "VARCHAR", "What it is called.", nullable=False),
        Column("version", "INTEGER", "1, 2, 3, … of this name, in order of declaration.", nullable=False),
        Column("definition", "VARCHAR", "Its segments with their conditions, as JSON; NULL: no longer declared."),
        Column("definition_hash", "VARCHAR", "SHA-256 of the definition."),
        Column(
            "inputs",
            "VARCHAR",
            "JSON list of the columns that its conditions look at: features, the model's segments, predictions.",
        ),
        Column("defined_at", "TIMESTAMP", "When it was first read, UTC.", nullable=False),
        Column("actor", "VARCHAR", "Who or what read it."),
    ),
)

SEGMENTATION_SEGMENTS = Table(
    "registry.segmentation_segments",
    "One segment of a segmentation of your own, in all its versions; rows are never changed. No model has its ids.",
    (
        Column("segment_id", "INTEGER", "The segment, the same number wherever it is named.", nullable=False),
        Column("segmentation_name", "VARCHAR", "Its segmentation.", nullable=False),
        Column("segment_name", "VARCHAR", "What it is called; another name is another segment.", nullable=False),
        Column("first_version", "INTEGER", "The first version of the definition that has it.", nullable=False),
    ),
)

SEGMENT_RENAMINGS = Table(
    "registry.segment_renamings",
    "One name that a snapshot gave to a segment since a word of its own wasn't true any more, append-only. The id "
    "stays; names that people gave go before.",
    (
        Column("renaming_id", "BIGINT", "1, 2, 3, … in order of decision.", nullable=False),
        Column("version", "INTEGER", "The model version whose segment it is.", nullable=False),
        Column("segment_id", "INTEGER", "The segment.", nullable=False),
        Column("as_of", "DATE", "The snapshot from which on it is called so.", nullable=False),
        Column(
            "trained_as_of",
            "DATE",
            "The date that the version was trained on; a name of an earlier snapshot is of that snapshot alone.",
            nullable=False,
        ),
        Column("former_name", "VARCHAR", "What it was called.", nullable=False),
        Column("segment_name", "VARCHAR", "What it is called.", nullable=False),
        Column("reason", "VARCHAR", "Which word wasn't true, with the share of customers.", nullable=False),
        Column("decided_at", "TIMESTAMP", "When, UTC.", nullable=False),
        Column("run_id", "VARCHAR", "The Dagster run that made the snapshot."),
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
