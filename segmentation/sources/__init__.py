"""Where transactions come from, and their way into the lake.

A file is registered, and its days are loaded; what is delivered otherwise is upserted at once::

    file ──▶ batch.registration ──▶ batch.inspection ──▶ raw.source_files
                                                              │
    days ──▶ batch.loading ◀──────────────────────────────────┘
                  │  staging.lines         readers: text, Parquet, Excel as relations
                  │  staging.validate      rules: mapping, validation
                  │  staging.deduplicate   rules: deduplication
                  ▼
             one transaction ──▶ raw.transactions, raw.rejected_transactions, raw.loads

    push, batch of a stream, page of a table ──▶ incremental.upsert
                  │  staging.validate
                  ▼
             incremental.upsert_transaction ──▶ raw.transactions, …, raw.deliveries, raw.positions
"""
