"""docker-compose.yml, resolved by the real Compose: every service is bounded, hardened and meets only whom it needs."""

import functools
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[1]
PASSWORDS = ("POSTGRES", "DAGSTER_POSTGRES", "LAKE_POSTGRES", "LAKE_INGEST", "LAKE_READ")
SERVICES = (
    "postgres",
    "init",
    "code-location",
    "webserver",
    "daemon",
    "stream",
    "exporter",
    "grafana",
    "scorer",
    "prometheus",
    "alertmanager",
)
ROLES = {
    "init": "lake",
    "code-location": "lake",
    "stream": "lake_ingest",
    "scorer": "lake_ingest",
    "exporter": "lake_read",
}
"""The user of the catalogue that each service is."""


@functools.cache
def resolved() -> dict[str, Any]:
    """The file as Compose understands it, with all profiles."""
    compose = Path(sys.executable).with_name("docker-compose")
    words = [str(compose), "--file", "docker-compose.yml", "--env-file", ".env.example", "--profile", "*", "config"]
    environment = {"PATH": os.environ["PATH"], "HOME": os.environ.get("HOME", "/")}
    environment |= {f"{name}_PASSWORD": "x" for name in PASSWORDS}
    done = subprocess.run(
        [*words, "--format", "json"], cwd=ROOT, env=environment, capture_output=True, text=True, timeout=60, check=True
    )
    answer: dict[str, Any] = json.loads(done.stdout)
    return answer


def test_all_services_are_checked_here() -> None:
    assert set(resolved()["services"]) == set(SERVICES)


@pytest.mark.parametrize("name", SERVICES)
def test_a_service_is_bounded_and_hardened(name: str) -> None:
    service = resolved()["services"][name]
    assert 128 * 2**20 <= int(service["mem_limit"]) <= 4 * 2**30
    assert 0 < float(service["cpus"]) <= 2, "more than a machine has would not start there"
    assert 0 < service["pids_limit"] <= 1000
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert "no-new-privileges:true" in service["security_opt"]
    assert not service.get("privileged")
    assert "network_mode" not in service
    assert "default" not in service["networks"]
    assert all(port["host_ip"] == "127.0.0.1" for port in service.get("ports", []))


def _meets(name: str) -> set[str]:
    services = resolved()["services"]
    own = set(services[name]["networks"])
    return {other for other in services if other != name and own & set(services[other]["networks"])}


@pytest.mark.parametrize(
    ("name", "met"),
    {
        "postgres": {"init", "code-location", "webserver", "daemon", "stream", "exporter", "scorer"},
        "init": {"postgres"},
        "scorer": {"postgres", "prometheus", "stream", "exporter"},
        "code-location": {"postgres", "webserver", "daemon"},
        "webserver": {"postgres", "code-location", "daemon"},
        "daemon": {"postgres", "code-location", "webserver"},
        "grafana": {"prometheus", "alertmanager"},
        "alertmanager": {"prometheus", "grafana"},
    }.items(),
)
def test_a_service_meets_only_whom_it_needs(name: str, met: set[str]) -> None:
    assert _meets(name) == met


def test_the_database_has_no_way_out() -> None:
    networks = resolved()["networks"]
    assert all(networks[name]["internal"] for name in resolved()["services"]["postgres"]["networks"])


@pytest.mark.parametrize("name", SERVICES)
def test_a_service_is_the_least_user_of_the_catalogue_that_works(name: str) -> None:
    environment = resolved()["services"][name].get("environment") or {}
    if name not in ROLES:
        assert "SEGMENTATION_CATALOG" not in environment
        return
    assert environment["SEGMENTATION_CATALOG"] == f"postgres:dbname=lake host=postgres user={ROLES[name]}"
    if ROLES[name] == "lake_ingest":
        assert environment["SEGMENTATION_READ_CATALOG"].endswith("user=lake_read")
