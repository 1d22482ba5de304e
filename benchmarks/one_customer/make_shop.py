"""A script that makes a shop to serve by the code of whatever checkout is on its path; prints how to serve it as JSON.

`PYTHONPATH=CHECKOUT python -P make_shop.py FOLDER CUSTOMERS`. Each checkout has a lake of its own, since an older one
refuses what a newer one has migrated.
"""

import json
import sys
from pathlib import Path


def main() -> None:
    """Make it; print the variables that its server needs, and the key of its client."""
    from benchmarks.serving.shop import environment, make_shop  # those of the checkout

    shop = make_shop(Path(sys.argv[1]), int(sys.argv[2]))
    variables = environment(shop.settings)
    own = {name: value for name, value in variables.items() if name.startswith("SEGMENTATION_")}
    print(json.dumps({"variables": own, "key": shop.key}))


if __name__ == "__main__":
    main()
