"""How many connections there may be, from the settings and the system's limit of descriptors."""

import resource

import pytest

from segmentation.settings import Settings
from serving.connections.limits import connection_limits


@pytest.mark.parametrize(
    ("soft", "hard", "raised", "connections", "backlog"),
    [
        (1024, 1024, 1024, 768, 128),
        (1024, 4096, 4096, 3840, 128),
        (1024, 1_000_000, 6400, 4096, 2048),
        (1_000_000, 1_000_000, 1_000_000, 4096, 2048),
        (100, 100, 100, 50, 25),
    ],
)
def test_connections_leave_descriptors_for_the_lake(
    monkeypatch: pytest.MonkeyPatch, soft: int, hard: int, raised: int, connections: int, backlog: int
) -> None:
    set_to = [(soft, hard)]
    monkeypatch.setattr(resource, "getrlimit", lambda _: (soft, hard))
    monkeypatch.setattr(resource, "setrlimit", lambda _, limits: set_to.append(limits))
    limits = connection_limits(Settings(max_connections=4096))
    assert set_to[-1] == (raised, hard)
    assert (limits.connections, limits.backlog) == (connections, backlog)
