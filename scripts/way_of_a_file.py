"""Which way a file takes from `ingest` to `raw.transactions`: the rooms it crosses, and how often it changes modules.

`python -m scripts.way_of_a_file` registers and loads a CSV of three lines in a temporary lake. A room is a function
with a name, entered in `segmentation.sources` or `segmentation.warehouse`; opening and migrating the lake is not
counted. A return is a pair of modules of which the second one gets control back from the first.
"""

import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from types import FrameType

from segmentation.clock import utc_now
from segmentation.settings import load_settings
from segmentation.sources.batch.loading import load_days
from segmentation.sources.batch.registration import register
from segmentation.sources.profiles.profile import load_profile
from segmentation.warehouse import Commit, Lake
from segmentation.warehouse.schema import migrate

PACKAGES = ("segmentation.sources", "segmentation.warehouse")
LINES = """line_id,order_id,customer_id,product_id,quantity,unit_price,ordered_at
1,a,c1,p1,1,2.5,2024-01-01 10:00:00
2,a,c1,p2,2,2.5,2024-01-01 10:00:00
3,b,,p1,1,2.5,2024-01-02 10:00:00
"""


class Way:
    """What a profiler saw: rooms, and from which module to which control came back.

    Attributes:
        rooms: Module and function of each call.
        returns: Pairs of modules, of which the first gave control back to the second.
        return_count: How often that happened.
    """

    def __init__(self) -> None:
        self.rooms: set[tuple[str, str]] = set()
        self.returns: set[tuple[str, str]] = set()
        self.return_count = 0

    def record(self, frame: FrameType, event: str, _: object) -> None:
        """Take note of a call or a return."""
        module, function = _place(frame)
        if not module.startswith(PACKAGES) or not frame.f_code.co_filename.endswith(".py"):
            return  # not ours, or made by a dataclass
        if function.rpartition(" > ")[2].startswith("<"):
            return  # a comprehension or a lambda
        if event == "call":
            self.rooms.add((module, function))
        elif event == "return" and (caller := _caller(frame)) not in (None, module):
            self.returns.add((module, str(caller)))
            self.return_count += 1


def _place(frame: FrameType) -> tuple[str, str]:
    return str(frame.f_globals.get("__name__", "")), frame.f_code.co_qualname.replace(".<locals>.", " > ")


def _caller(frame: FrameType) -> str | None:
    """The nearest module of ours that waits for this call."""
    above = frame.f_back
    while above is not None and not _place(above)[0].startswith(PACKAGES):
        above = above.f_back
    return None if above is None else _place(above)[0]


def main() -> None:
    """Walk the way and print it."""
    way = Way()
    with TemporaryDirectory() as folder:
        path = Path(folder) / "orders.csv"
        path.write_text(LINES)
        with Lake(load_settings(home=Path(folder) / "home")) as lake:
            migrate(lake)
            profile = load_profile("canonical")
            sys.setprofile(way.record)
            registered = register(lake, str(path), profile, now=utc_now())
            load_days(lake, registered.load_start, registered.load_end, Commit("load"), now=utc_now())
            sys.setprofile(None)
    for module in sorted({module for module, _ in way.rooms}):
        print(module, *sorted(function for each, function in way.rooms if each == module))  # noqa: T201
    modules = {module for module, _ in way.rooms}
    print(  # noqa: T201
        f"{len(modules)} modules, {len(way.rooms)} functions, {len(way.returns)} pairs of modules with returns, "
        f"{way.return_count} returns in all"
    )


if __name__ == "__main__":
    main()
