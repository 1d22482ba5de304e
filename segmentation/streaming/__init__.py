"""The live stream: a Kafka topic into the lake, batch by batch."""
