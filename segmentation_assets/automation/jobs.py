"""Jobs: the selections of the graph that people and automation run."""

import dagster as dg

register_files = dg.define_asset_job(
    "register_files",
    selection=dg.AssetSelection.assets("raw/source_files"),
    description="Take note of files: of those named in the config, or of all in the inbox.",
)

ingest = dg.define_asset_job(
    "ingest",
    selection=dg.AssetSelection.assets("raw/transactions", "raw/products"),
    description="Load the lines of a day, or of a range of days, from the registered files.",
)

snapshot = dg.define_asset_job(
    "snapshot",
    selection=dg.AssetSelection.groups("features", "segments", "monitoring"),
    description="Features of every customer as of a date, their segments by the champion, and how well both still are.",
)

retrain = dg.define_asset_job(
    "retrain",
    selection=dg.AssetSelection.groups("training"),
    description="A new candidate from the newest snapshot; champion if it passes its gates, else that one is kept.",
)

promote = dg.define_asset_job(
    "promote_model",
    selection=dg.AssetSelection.assets("training/champion_model"),
    description="A person's decision: in the launchpad set `version` (and `reason`) to promote one that waits, or "
    "`rollback: true`. Without either it does what retraining does with the candidate.",
)

segment = dg.define_asset_job(
    "segment",
    selection=dg.AssetSelection.groups("features", "training", "segments", "monitoring"),
    description="Everything after the raw data: features, a new model, segments, profiles and monitoring as of a date.",
)

maintain = dg.define_asset_job(
    "maintain",
    selection=dg.AssetSelection.groups("warehouse"),
    description="Old models archived, old snapshots of the lake expired, small files merged.",
)

JOBS = [register_files, ingest, snapshot, retrain, promote, segment, maintain]
