"""What is served: a made-up shop's lake with a champion model, a key for its scorer, and customers to be scored."""

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from datetime import date, datetime, time
from pathlib import Path
from typing import Self

import numpy as np

from segmentation.access.keys import Scope
from segmentation.clock import utc_now
from segmentation.features.snapshots import write_snapshots
from segmentation.modeling import lifecycle, registry
from segmentation.modeling.artefact import Artefact, Floats
from segmentation.modeling.feature_matrix import read_matrix
from segmentation.modeling.training_data import make_training_set
from segmentation.settings import Settings
from segmentation.sources.batch.loading import load_days
from segmentation.sources.batch.registration import register
from segmentation.sources.profiles.profile import load_profile
from segmentation.synthetic import write
from segmentation.warehouse import Commit, Lake
from segmentation.warehouse.schema import migrate

CUSTOMERS = 2_000
START, END = date(2025, 1, 1), date(2026, 1, 1)
END_MOMENT = datetime.combine(END, time.min)
MAX_BODY_BYTES = 512 * 1024 * 1024
SEED = 7


@dataclass(frozen=True)
class Customers:
    """Some customers and what is known of them.

    Attributes:
        ids: Length n.
        features: Length d, what the columns of `values` are.
        values: Shape (n, d), NaN where missing.
    """

    ids: tuple[str, ...]
    features: tuple[str, ...]
    values: Floats

    def drawn(self, count: int) -> Self:
        """So many of them at random, with replacement; the same ones each time."""
        chosen = np.random.default_rng((SEED, count)).integers(0, len(self.ids), count)
        return type(self)(tuple(self.ids[index] for index in chosen), self.features, self.values[chosen])


@dataclass(frozen=True)
class Shop:
    """A lake to serve from.

    Attributes:
        settings: Where it is.
        artefact: Its champion.
        customers: Its customers.
        key: What lets a client score.
    """

    settings: Settings
    artefact: Artefact
    customers: Customers
    key: str


def make_shop(folder: Path, customers: int = CUSTOMERS) -> Shop:
    """Make a shop in an empty folder, train a model on a year of it and make that the champion."""
    settings = Settings(
        home=folder / "lake",
        catalog="",
        data_path="",
        tracking_uri="off",
        min_stability=0.5,
        search_trials=5,
        max_body_bytes=MAX_BODY_BYTES,
    )
    files = write(folder / "shop", customers=customers, start=START, end=END)
    with Lake(settings, create=True) as lake:
        migrate(lake)
        register(lake, str(files.transactions[0].parent), load_profile("canonical"), source="shop", now=END_MOMENT)
        load_days(lake, START, END, Commit("load"), now=END_MOMENT)
        write_snapshots(lake, [END], lambda _: Commit("features"), now=END_MOMENT)
        training_set = make_training_set(lake, END, Commit("training set"), now=END_MOMENT)
        version, _ = lifecycle.train_candidate(lake, training_set, Commit("candidate"), now=utc_now)
        # Whether the model is good enough for a real shop does not matter here, so no gate is asked.
        registry.promote(
            lake,
            version,
            alias="champion",
            actor="benchmark",
            reason="benchmark",
            commit=Commit("champion"),
            now=utc_now(),
        )
        with lake.cursor() as con:
            artefact = registry.load_champion(con).artefact
            matrix = read_matrix(con, END, artefact.feature_names)
    known = Customers(tuple(matrix.customer_ids), artefact.feature_names, matrix.values)
    return Shop(settings, artefact, known, make_key(settings))


def environment(settings: Settings) -> dict[str, str]:
    """The variables of a process that uses the shop: those of this one with the shop's settings, and keys required."""
    others = {name: value for name, value in os.environ.items() if not name.startswith("SEGMENTATION_")}
    served = settings.model_copy(update={"home": settings.home.resolve(), "auth": "required"})
    chosen = served.model_dump(exclude_none=True)
    return others | {f"SEGMENTATION_{name.upper()}": str(value) for name, value in chosen.items()}


def command(*words: str) -> list[str]:
    """A command of the platform, run by this interpreter."""
    return [sys.executable, "-m", "segmentation.cli", *words]


def make_key(settings: Settings, scope: Scope = Scope.SCORE) -> str:
    """A key with a scope, made as an operator would."""
    words = command("keys", "create", f"benchmark-{scope.value}", "--scope", scope.value, "--json")
    made = subprocess.run(
        words, env=environment(settings), cwd=settings.home, capture_output=True, text=True, check=False
    )
    if made.returncode:
        raise RuntimeError(f"No API key for the benchmark: {made.stderr.strip() or made.stdout.strip()}")
    return str(json.loads(made.stdout)["key"])
