"""The plain way to stream into the lake, for comparison: JSON into one INSERT per batch, and nothing else.

No line is judged, repeats are doubled, and offsets are the broker's: what is in work when it dies is lost or doubled.
`python -m benchmarks.stream.plain SERVERS TOPIC LINES`, with the settings of the environment.
"""

import sys

import msgspec
import pyarrow as pa
from confluent_kafka import Consumer

from segmentation.settings import load_settings
from segmentation.warehouse import Commit, Lake
from segmentation.warehouse.customer_bucket import CUSTOMER_BUCKET_MACRO

BATCH = 5_000
LINGER_S = 0.25

INSERT = """
INSERT INTO raw.transactions BY NAME
SELECT line_id, order_id, customer_id, product_id, category, CAST(quantity AS DOUBLE) AS quantity, unit_price,
    quantity * unit_price AS amount, 0.0 AS discount,
    CAST(CAST(ordered_at AS TIMESTAMPTZ) AT TIME ZONE 'UTC' AS TIMESTAMP) AS ordered_at,
    'app' AS source, now() AT TIME ZONE 'UTC' AS ingested_at, customer_bucket(customer_id, $buckets) AS customer_bucket
FROM batch
"""


def main() -> None:
    """Read until so many messages have been written."""
    servers, topic, lines = sys.argv[1], sys.argv[2], int(sys.argv[3])
    settings, decode, read = load_settings(), msgspec.json.Decoder().decode, 0
    consumer = Consumer({"bootstrap.servers": servers, "group.id": "plain", "auto.offset.reset": "earliest"})
    consumer.subscribe([topic])
    with Lake(settings, create=True, inline_rows=20_000) as lake, lake.cursor() as con:
        con.execute(CUSTOMER_BUCKET_MACRO)
        while read < lines:
            bodies = [message.value() or b"" for message in consumer.consume(BATCH, LINGER_S) if not message.error()]
            if bodies:
                con.register("batch", pa.Table.from_pylist([decode(body) for body in bodies]))
                values = {"buckets": settings.customer_buckets}
                lake.transaction(con, Commit("plain"), lambda c: c.execute(INSERT, values))  # noqa: B023 (at once)
                con.unregister("batch")
                read += len(bodies)
    consumer.close()


if __name__ == "__main__":
    main()
