"""Raw data: lines, products, files and deliveries."""

from segmentation.metadata.table import Column, Table
from segmentation.metadata.tables.columns import CUSTOMER

TRANSACTIONS = Table(
    "raw.transactions",
    "One accepted order line. A return or cancellation has a negative quantity and amount.",
    (
        Column("line_id", "VARCHAR", "Identifies the line across all sources.", nullable=False),
        Column("order_id", "VARCHAR", "The order, invoice or basket that the line belongs to.", nullable=False),
        CUSTOMER,
        Column("product_id", "VARCHAR", "The product, as the source names it.", nullable=False),
        Column("category", "VARCHAR", "Product category, where the source knows it."),
        Column("quantity", "DOUBLE", "Units; negative for a return, zero for a refund of money alone.", nullable=False),
        Column(
            "unit_price",
            "DOUBLE",
            "Price of one unit before discount, in the reporting currency.",
            nullable=False,
        ),
        Column("amount", "DOUBLE", "What was paid for the line; negative for a return.", nullable=False),
        Column("discount", "DOUBLE", "Money taken off the line's price; zero if none.", nullable=False),
        Column("ordered_at", "TIMESTAMP", "When the order was placed, UTC.", nullable=False),
        Column("country", "VARCHAR", "Country of the customer or delivery, where known."),
        Column("channel", "VARCHAR", "Where it was sold (web, app, store, …), where known."),
        Column(
            "currency",
            "VARCHAR",
            "What the source's money is in (ISO 4217); NULL where it doesn't say, which is the reporting currency.",
        ),
        Column(
            "exchange_rate",
            "DOUBLE",
            "By which price, amount and discount were multiplied to be in the reporting currency; NULL where they are "
            "as the source gave them.",
        ),
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

CHANGED_DAYS = Table(
    "raw.changed_days",
    "One change of the lines of a source and a day. The sum of the changes is the number of its lines, and the last "
    "version is the one that last added, removed or corrected any of them; earlier rows are summed up now and then.",
    (
        Column("source", "VARCHAR", "Name of the source that delivered the lines.", nullable=False),
        Column("ordered_on", "DATE", "Day of the lines, UTC.", nullable=False),
        Column(
            "line_count_change",
            "BIGINT",
            "How many more lines the day has since; negative for fewer, 0 where lines were only corrected.",
            nullable=False,
        ),
        Column("lake_version", "BIGINT", "Version of the lake that made the change.", nullable=False),
    ),
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
        Column(
            "first_day", "DATE", "Day of its earliest line (UTC); NULL if it is a table that lines are joined with."
        ),
        Column("last_day", "DATE", "Day of its latest line (UTC); NULL if it is a table."),
        Column("byte_size", "BIGINT", "Size of the file.", nullable=False),
        Column("modified_at", "TIMESTAMP", "When the file was last changed before it was registered, UTC."),
        Column("registered_at", "TIMESTAMP", "When the file was first registered, UTC.", nullable=False),
    ),
)

LOADS = Table(
    "raw.loads",
    "One source file and day as last loaded: how many lines were read, accepted and rejected. A table that lines are "
    "joined with has one row, without a day: its rows that a line names count as accepted.",
    (
        Column("source", "VARCHAR", "Name of the source.", nullable=False),
        Column("source_file", "VARCHAR", "The file that holds the lines.", nullable=False),
        Column("ordered_on", "DATE", "Day of the lines; NULL for lines whose date can't be read."),
        Column("lines_read", "BIGINT", "Lines that the file holds for the day.", nullable=False),
        Column("lines_accepted", "BIGINT", "Lines that went to raw.transactions.", nullable=False),
        Column("lines_rejected", "BIGINT", "Lines that went to raw.rejected_transactions.", nullable=False),
        Column(
            "lines_joined",
            "BIGINT",
            "Physical lines that quotations joined to others, so that they are no lines of their own. A matter of the "
            "file, whichever day: on its row without a day, 0 on the others; NULL of loads before it was counted.",
        ),
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

STREAMED_TABLES = (TRANSACTIONS, REJECTED, DELIVERIES, POSITIONS)
"""What every delivery adds many rows to, so that streams write them to files now and then. `CHANGED_DAYS` isn't here:
its few rows are quicker to read from the catalog, where they are until maintenance."""
