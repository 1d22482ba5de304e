"""The Dagster code location: thin assets, checks and automation over the domain in `segmentation`."""

import warnings

# Backfill policies and lenient partition mappings are marked beta; the lock pins the release that they were tried on.
# By message, since importing Dagster for its warning class would slow every command down.
warnings.filterwarnings("ignore", message=r"(Parameter|Class|Function) `.*` .*is currently in beta")
