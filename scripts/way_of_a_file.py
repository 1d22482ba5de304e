"""Which way a file takes from `ingest` to `raw.transactions`: the rooms it crosses, and how often it changes modules.

`python -m scripts.way_of_a_file` registers and loads a CSV of three lines in a temporary lake. A room is a function
with a name, entered in `segmentation.sources` or `segmentation.warehouse`; opening and migrating the lake is not
counted. A return is a room that gives control back to a room of another module; one that happens again, in a loop or
for another file, is the same.
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
        returns: Room and the room of another module that it gave control back to.
    """

    def __init__(self) -> None:
        self.rooms: set[tuple[str, str]] = set()
        self.returns: set[tuple[tuple[str, str], tuple[str, str]]] = set()

    def record(self, frame: FrameType, event: str, _: object) -> None:
        """Take note of a call or a return."""
        room = _room(frame)
        if room is None:
            return
        if event == "call":
            self.rooms.add(room)
        elif event == "return" and (caller := _caller(frame)) is not None and caller[0] != room[0]:
            self.returns.add((room, caller))


def _room(frame: FrameType) -> tuple[str, str] | None:
    """Module and function, unless it isn't ours, was made by a dataclass, or is a comprehension or a lambda."""
    module, code = str(frame.f_globals.get("__name__", "")), frame.f_code
    if not module.startswith(PACKAGES) or not code.co_filename.endswith(".py") or code.co_name.startswith("<"):
        return None
    return module, code.co_qualname.replace(".<locals>.", " > ")


def _caller(frame: FrameType) -> tuple[str, str] | None:
    """The nearest room of ours that waits for this call."""
    above = frame.f_back
    while above is not None and _room(above) is None:
        above = above.f_back
    return None if above is None else _room(above)


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
        f"{len(modules)} modules, {len(way.rooms)} rooms, {len(way.returns)} returns between modules"
    )


if __name__ == "__main__":
    main()
