"""A real Prometheus and Alertmanager with the real rules and routes, in fast motion, and what they tell."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from segmentation_assets_tests.testing.alert_rules import alertmanager_configuration, prometheus_configuration
from segmentation_assets_tests.testing.prometheus import (
    Notified,
    Prometheus,
    Server,
    running_alertmanager,
    running_prometheus,
)
from segmentation_assets_tests.testing.waiting import eventually
from segmentation_assets_tests.testing.webhook import listening

PATIENCE_S = 30

# What Prometheus 3 does by itself; and an alert is sent again soon, in case Alertmanager was not found yet.
OPTIONS = ("--enable-feature=expand-external-labels", "--rules.alert.resend-delay=2s")


@dataclass(frozen=True)
class Watch:
    """Everything that watches, and what it told."""

    prometheus: Prometheus
    alertmanager: Server
    told: Notified

    def firing(self) -> set[str]:
        """Names of the alerts that Prometheus fires."""
        return {alert["labels"]["alertname"] for alert in self.prometheus.alerts() if alert["state"] == "firing"}

    def await_told(self, status: str, names: set[str], since: int = 0) -> None:
        """Wait until the webhook has been told of these alerts.

        Args:
            status: `firing` or `resolved`.
            names: Of the alerts.
            since: Only notifications after so many count.
        """

        def missing() -> set[str]:
            told = [alert for body in self.told.notifications()[since:] for alert in body["alerts"]]
            return names - {alert["labels"]["alertname"] for alert in told if alert["status"] == status}

        eventually(lambda: not missing(), lambda: f"not {status}: {missing()}; firing: {self.firing()}", PATIENCE_S)


@contextmanager
def watching(folder: Path, targets: Mapping[str, list[str]], scorer_key: Path | None = None) -> Iterator[Watch]:
    """Prometheus, Alertmanager and a webhook."""
    with listening() as webhook:
        notified = Notified(webhook)
        routes = alertmanager_configuration(folder / "alertmanager", notified.url)
        with running_alertmanager(folder / "alertmanager", routes) as alertmanager:
            address = alertmanager.address.removeprefix("http://")
            configuration = prometheus_configuration(folder / "rules", targets, address, scorer_key)
            with running_prometheus(folder / "prometheus", configuration, *OPTIONS) as prometheus:
                watch = Watch(prometheus, alertmanager, notified)
                # It takes seconds until targets and Alertmanager are found; until then all are down.
                watch.await_told("firing", {"Watchdog"})
                yield watch
