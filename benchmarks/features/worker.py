"""The process of one contender: computes, measures that, writes its answer and prints the figures as JSON.

`python -m benchmarks.features.worker NAME SHOP AS_OFS LOOKBACK_DAYS ANSWER`; `-` stands for no limit.
"""

import json
import sys
from dataclasses import asdict, replace
from datetime import date
from pathlib import Path

from benchmarks.features.compiling import warm_up
from benchmarks.features.contenders.registry import BY_NAME
from benchmarks.features.contenders.source import source_of
from benchmarks.features.measuring import Meter


def main() -> None:
    """Run the contender that the arguments name."""
    name, home, as_ofs, lookback_days, answer = sys.argv[1:]
    days = tuple(date.fromisoformat(day) for day in as_ofs.split(","))
    source = source_of(Path(home), days, None if lookback_days == "-" else int(lookback_days))
    contender = BY_NAME[name].make(source)
    if BY_NAME[name].is_compiled:
        warm_up()
    with Meter() as meter:
        contender.compute()
    usage = meter.usage
    best = getattr(contender, "best", None)  # of a contender that repeats its work
    if best:
        usage = replace(usage, wall_s=best[0], cpu_s=best[1])
    contender.save(Path(answer))
    print(json.dumps(asdict(usage)))


if __name__ == "__main__":
    main()
