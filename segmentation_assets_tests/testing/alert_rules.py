"""The alert rules and Alertmanager's configuration as they are in deploy/, whole or in fast motion."""

import re
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).parents[2]
PROMETHEUS = ROOT / "deploy" / "prometheus"
ALERTMANAGER = ROOT / "deploy" / "alertmanager"
RECEIVERS = ("page", "ticket", "info", "watchdog")

FASTER = 300
"""By how much the rules are sped up for tests with a real Prometheus: an hour is twelve seconds."""

SECONDS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0, "w": 604800.0}
WINDOW = re.compile(r"\[(\w+)\]")
DURATION = re.compile(r"(\d+)(ms|[smhdw])")


@dataclass(frozen=True)
class Alert:
    """An alert rule.

    Attributes:
        name: Of the alert; several rules may share one.
        expression: In PromQL.
        labels: That the rule sets.
        annotations: As templates.
        has_for: Whether it says how long its expression has to hold.
    """

    name: str
    expression: str
    labels: Mapping[str, str]
    annotations: Mapping[str, str]
    has_for: bool


def rules() -> Iterator[dict[str, Any]]:
    """All rules, recording and alerting."""
    for path in sorted((PROMETHEUS / "rules").glob("*.yml")):
        for group in yaml.safe_load(path.read_text(encoding="utf-8"))["groups"]:
            yield from group["rules"]


def alerts() -> list[Alert]:
    """All alert rules."""
    return [
        Alert(rule["alert"], rule["expr"], rule["labels"], rule["annotations"], "for" in rule)
        for rule in rules()
        if "alert" in rule
    ]


def prometheus_configuration(
    folder: Path, targets: Mapping[str, list[str]], alertmanager: str, scorer_key: Path | None = None
) -> dict[str, Any]:
    """What deploy/prometheus/prometheus.yml says, with other targets and in fast motion.

    Only addresses, the place of the scorer's key and times differ: everything is read and evaluated twice a second,
    windows are 300 times shorter, but at least three seconds, so that there is something in them, and so is `for`, but
    between one and five seconds.

    Args:
        folder: For the rules.
        targets: `host:port` of each target, by job.
        alertmanager: Its `host:port`.
        scorer_key: File with the scorer's key; none is sent if left out.
    """
    configuration: dict[str, Any] = yaml.safe_load((PROMETHEUS / "prometheus.yml").read_text(encoding="utf-8"))
    configuration["global"] |= dict.fromkeys(("scrape_interval", "scrape_timeout", "evaluation_interval"), "500ms")
    configuration["alerting"]["alertmanagers"] = [{"static_configs": [{"targets": [alertmanager]}]}]
    for job in configuration["scrape_configs"]:
        for name in ("dns_sd_configs", "scrape_interval", "scrape_timeout", "authorization"):
            job.pop(name, None)
        job["static_configs"] = [{"targets": targets[job["job_name"]]}]
        if job["job_name"] == "scorer" and scorer_key is not None:
            job["authorization"] = {"credentials_file": str(scorer_key)}
    configuration["rule_files"] = [str(path) for path in _fast_rules(folder)]
    return configuration


def alertmanager_configuration(folder: Path, webhook: str) -> Path:
    """What deploy/alertmanager says with a webhook as each receiver, put in by start.sh, and in fast motion.

    Args:
        folder: For it.
        webhook: An address; receivers are told apart by what follows its slash.
    """
    folder.mkdir(parents=True, exist_ok=True)
    for receiver in RECEIVERS:
        (folder / f"{receiver}.yml").write_text(f"    webhook_configs:\n      - url: {webhook}/{receiver}\n")
    path = folder / "alertmanager.yml"
    start = [ALERTMANAGER / "start.sh", ALERTMANAGER / "alertmanager.yml", folder, path, "true"]
    subprocess.run([str(word) for word in start], timeout=10, check=True)
    configuration = yaml.safe_load(path.read_text(encoding="utf-8"))
    for route in [configuration["route"], *configuration["route"]["routes"]]:
        for name in ("group_wait", "group_interval", "repeat_interval"):
            if name in route:
                route[name] = _faster(route[name], at_least_s=0.5)
    path.write_text(yaml.safe_dump(configuration), encoding="utf-8")
    return path


def _fast_rules(folder: Path) -> Iterator[Path]:
    folder.mkdir(parents=True, exist_ok=True)
    for path in sorted((PROMETHEUS / "rules").glob("*.yml")):
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
        for group in content["groups"]:
            for rule in group["rules"]:
                rule["expr"] = WINDOW.sub(lambda found: f"[{_faster(found[1], at_least_s=3)}]", rule["expr"])
                if "for" in rule:
                    rule["for"] = _faster(rule["for"], at_least_s=1, at_most_s=5)
        fast = folder / path.name
        fast.write_text(yaml.safe_dump(content, allow_unicode=True), encoding="utf-8")
        yield fast


def _faster(duration: str, at_least_s: float, at_most_s: float = float("inf")) -> str:
    seconds = sum(int(number) * SECONDS[unit] for number, unit in DURATION.findall(duration)) / FASTER
    return f"{round(1000 * min(max(seconds, at_least_s), at_most_s))}ms"
