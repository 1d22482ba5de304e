"""The command `init`: a lake where the settings say."""

from rich.markup import escape

from segmentation.cli.output import JsonFlag, console, print_json
from segmentation.errors import NoLakeError
from segmentation.settings import Settings, load_settings
from segmentation.warehouse import Lake
from segmentation.warehouse.identity import lake_id
from segmentation.warehouse.lake import METADATA, without_password
from segmentation.warehouse.schema import migrate


def init(as_json: JsonFlag = False) -> None:
    """Make an empty lake where the settings say, or tell which one is there.

    `ingest` and `demo` make one by themselves; pipelines, scorer and streams never do, so that a mistyped address is an
    error and not a second lake. Safe to repeat.

    For example: segmentation init
    """
    settings = load_settings()
    is_new = not _exists(settings)
    with Lake(settings, create=True) as lake:
        migrate(lake)
        with lake.cursor() as con:
            found = lake_id(con, METADATA)
    facts = {
        "lake_id": found,
        "is_new": is_new,
        "catalogue": without_password(settings.catalog_uri),
        "data": settings.data_uri,
    }
    if as_json:
        print_json(facts)
        return
    done = "Made the lake" if is_new else "There is already the lake"
    console.print(
        f"{done} {found}\n  catalogue  {escape(str(facts['catalogue']))}\n  data       {escape(settings.data_uri)}\n"
        "Next: `segmentation ingest PATH --profile NAME`, or `segmentation ui`.",
        soft_wrap=True,
    )


def _exists(settings: Settings) -> bool:
    try:
        Lake(settings, read_only=True).close()
    except NoLakeError:
        return False
    return True
