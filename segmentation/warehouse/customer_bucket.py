"""The customer's bucket: the one definition by which `raw.transactions` is cut, in SQL and in Python.

The hash is the first eight hexadecimal digits of the MD5 of the customer id in UTF-8: any engine can compute it, and
it never changes, unlike DuckDB's own `hash()`.
"""

from hashlib import md5

CUSTOMER_BUCKET_MACRO = """
CREATE OR REPLACE TEMP MACRO customer_bucket(customer_id, buckets) AS
    CAST(CAST('0x' || left(md5(customer_id), 8) AS UINTEGER) % CAST(buckets AS UINTEGER) AS INTEGER)
"""
"""Defines `customer_bucket(customer_id, buckets)` for one connection."""


def customer_bucket(customer_id: str, buckets: int) -> int:
    """The bucket of a customer, 0 to `buckets` - 1; the same as the SQL macro of this name."""
    return int(md5(customer_id.encode(), usedforsecurity=False).hexdigest()[:8], 16) % buckets
