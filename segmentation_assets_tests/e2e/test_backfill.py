import random
import shutil
import subprocess
import time
from pathlib import Path

import pytest

from segmentation_assets_tests.e2e.conftest import command, environment, segmentation, sql

pytestmark = pytest.mark.takes(30)

BACKFILL = ("materialize", "--select", "group:features", "--since", "2025-07-01", "--as-of", "2025-12-01")
TABLES = ("rfm", "diversity", "temporal", "behaviour", "customer_features")
FINGERPRINT = " UNION ALL ".join(
    f"SELECT '{name}' AS name, COUNT(*) AS rows, SUM(CAST(hash(t) AS HUGEINT)) AS hash FROM features.{name} AS t"
    for name in TABLES
)


def _copy(home: Path, to: Path) -> Path:
    shutil.copytree(home, to / "warehouse")
    return to / "warehouse"


def test_a_killed_backfill_run_again_leaves_what_an_undisturbed_one_does(home: Path, tmp_path: Path) -> None:
    whole, killed = (_copy(home, tmp_path / name) for name in ("whole", "killed"))
    started = time.monotonic()
    # From the very start, as those that are killed.
    subprocess.run(command(*BACKFILL), env=environment(whole), cwd=whole.parent, stdout=subprocess.DEVNULL, check=True)
    took = time.monotonic() - started
    for _ in range(2):
        process = subprocess.Popen(
            command(*BACKFILL), env=environment(killed), cwd=killed.parent, stdout=subprocess.DEVNULL
        )
        time.sleep(random.uniform(0.4, 0.95) * took)
        process.kill()
        process.wait()
    done = segmentation(killed, *BACKFILL)
    assert done.returncode == 0, done.stderr
    assert sql(killed, FINGERPRINT) == sql(whole, FINGERPRINT)
    assert (
        sql(killed, "SELECT COUNT(DISTINCT as_of) FROM features.rfm WHERE as_of BETWEEN '2025-07-01' AND '2025-12-01'")
        == "6"
    )


def test_a_backfill_that_begins_after_its_end_is_refused(home: Path) -> None:
    done = segmentation(home, "materialize", "--since", "2025-12-01", "--as-of", "2025-11-01")
    assert done.returncode == 1
    assert "--since 2025-12-01 is after the snapshot date 2025-11-01" in done.stderr.replace("\n", " ")
