"""The process of one contender: fits, labels, measures both, writes its answer and prints the figures as JSON.

`python -m benchmarks.training.worker NAME POINTS SEED ANSWER`
"""

import json
import sys
from dataclasses import asdict
from pathlib import Path

import numpy as np

from benchmarks.features.measuring import Meter
from benchmarks.training.contenders import BY_NAME
from benchmarks.training.points import open_points


def main() -> None:
    """Run the contender that the arguments name."""
    name, path, seed, answer = sys.argv[1:]
    points = open_points(Path(path))
    with Meter() as whole:
        with Meter() as fitting:
            centroids, label = BY_NAME[name].fit(points, int(seed))
        labels = label(points)
    np.savez(answer, centroids=centroids, labels=labels)
    figures = {"fit_cpu_s": fitting.usage.cpu_s, "peak_own_mb": whole.peak_own_mb}
    print(json.dumps({"usage": asdict(whole.usage), **figures}))


if __name__ == "__main__":
    main()
