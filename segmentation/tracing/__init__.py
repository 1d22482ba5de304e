"""Traces by OpenTelemetry, where `OTEL_EXPORTER_OTLP_ENDPOINT` says so."""
