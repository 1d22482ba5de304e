"""Access: the keys of the scorer."""

from segmentation.metadata.table import Column, Table

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
