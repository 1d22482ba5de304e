"""Reading a declared source: files are registered, databases and plug-ins are upserted page by page.

Pushes and streams come by themselves; they are not read here.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path

from segmentation.clock import utc_now
from segmentation.errors import SourceError
from segmentation.settings import Settings
from segmentation.sources.batch.copies import without_copies
from segmentation.sources.batch.file_roles import find_tables, line_files, tables_changed
from segmentation.sources.batch.registration import product_lists_of, register_paths
from segmentation.sources.batch.source_files import read_source_files, state_of
from segmentation.sources.batch.spans import Span, joined
from segmentation.sources.config import (
    DatabaseSource,
    DltSource,
    FilesSource,
    KafkaSource,
    PluginSource,
    PushSource,
    SourceConfig,
    plugins,
)
from segmentation.sources.incremental.deliveries import Receipt
from segmentation.sources.incremental.pulling import pull
from segmentation.sources.incremental.upsert import Upserter
from segmentation.sources.profiles.profile import Profile
from segmentation.sources.readers.addresses import require_allowed
from segmentation.sources.readers.databases import DatabasePages
from segmentation.sources.readers.dlt_pages import DltPages
from segmentation.sources.readers.object_store import count_objects, fetch, is_remote
from segmentation.sources.readers.pages import PagedSource
from segmentation.sources.readers.paths import Located, look
from segmentation.sources.schema_drift import observe
from segmentation.warehouse import Lake
from segmentation.warehouse.lake import without_password

INLINE_ROWS = 1_000
"""Lines of a page that go to the catalogue; pages with more become files at once."""

Tell = Callable[[str], object]
"""Is told what is being done, in a few words."""


@dataclass(frozen=True)
class Reading:
    """What reading a source brought.

    Attributes:
        first_day: Earliest day (UTC) whose lines have changed or have to be loaded; None if nothing has come.
        last_day: Latest one.
        spans: The days from the first to the last without long gaps.
        receipts: What became of delivered lines, per page; none for files.
        files: Files that were registered, new or changed ones.
        problems: By file, why it can't be read; the others are.
        notes: What else people are to know of them, such as which files are copies of others.
    """

    first_day: date | None = None
    last_day: date | None = None
    spans: tuple[Span, ...] = ()
    receipts: tuple[Receipt, ...] = ()
    files: tuple[str, ...] = ()
    problems: tuple[tuple[str, str], ...] = ()
    notes: tuple[str, ...] = ()

    def lines(self) -> dict[str, int]:
        """Delivered lines by what became of them."""
        return {
            "lines_read": sum(receipt.lines_read for receipt in self.receipts),
            "lines_new": sum(receipt.lines_new for receipt in self.receipts),
            "lines_replaced": sum(receipt.lines_replaced for receipt in self.receipts),
            "lines_repeated": sum(receipt.lines_repeated for receipt in self.receipts),
            "lines_rejected": sum(receipt.lines_rejected for receipt in self.receipts),
        }


def read(settings: Settings, source: SourceConfig, *, tell: Tell = lambda _: None) -> Reading:
    """Bring in what a source has since it was read last; files are registered, and their days still to be loaded.

    Raises:
        SourceError: It can't be read, or comes by itself.
        StalePositionsError: Another process is reading it.
    """
    if isinstance(source, FilesSource):
        with Lake(settings) as lake:
            return _register(lake, source, tell)
    with Lake(settings, inline_rows=INLINE_ROWS) as lake:
        return _pull(lake, source, tell)


def paged(source: SourceConfig) -> PagedSource:
    """The pages of a database or a plug-in.

    Raises:
        SourceError: The source comes by itself, or its plug-in doesn't take the options.
    """
    if isinstance(source, DatabaseSource):
        return DatabasePages(source)
    if isinstance(source, DltSource):
        return DltPages(source)
    if isinstance(source, PluginSource):
        try:
            made: PagedSource = plugins()[source.type].load()(**source.options)
        except (ImportError, AttributeError, TypeError, ValueError) as error:
            raise SourceError(
                f"The source {source.name} can't be made by its plug-in {source.type}: {error}"
            ) from error
        return made
    how = "POST /v1/transactions" if isinstance(source, PushSource) else f"segmentation stream {source.name}"
    raise SourceError(f"The source {source.name} is of type {source.type}: its lines come in by `{how}`.")


def check(settings: Settings, source: SourceConfig) -> str:
    """Try to reach a source; says what was found.

    Raises:
        SourceError: It can't be reached, or its profile can't be used.
    """
    source.read_profile()
    require_allowed(settings, source)
    if isinstance(source, FilesSource):
        count, problems = _count(settings, source)
        told = f"; {len(problems)} more can't be read: {' '.join(problems.values())}" if problems else ""
        return f"{count:,} files at {source.path}{told}"
    if isinstance(source, KafkaSource):
        return _topic(source)
    if isinstance(source, PushSource):
        return f"POST /v1/transactions?source={source.name}, through the profile {source.profile}"
    return without_password(paged(source).check())


def _register(lake: Lake, source: FilesSource, tell: Tell) -> Reading:
    profile = source.read_profile()
    at_hand = files_of(lake.settings, source, profile, tell)
    paths, notes = _pending(lake, source, profile, at_hand.files)
    found, problems = [], list(at_hand.problems.items())
    for number, each in enumerate(paths, start=1):
        tell(f"Inspecting {each.name} ({number} of {len(paths)})")
        try:
            registered = register_paths(lake, [each], profile, source=source.name, now=utc_now())
            observe(lake, source.name, registered.columns, each.name, utc_now())
            found.append(registered)
        except SourceError as error:
            problems.append((str(each), str(error)))
    return Reading(
        first_day=min((each.load_start for each in found), default=None),
        last_day=max((each.load_end - timedelta(days=1) for each in found), default=None),
        spans=joined(span for each in found for span in each.spans),
        files=tuple(path for each in found for path in each.paths),
        problems=tuple(problems),
        notes=(*notes, *(note for each in found for note in each.notes)),
    )


def files_of(settings: Settings, source: FilesSource, profile: Profile, tell: Tell = lambda _: None) -> Located:
    """The files of a source; objects of a bucket are fetched.

    Raises:
        SourceError: There are none, or the store can't be reached.
    """
    if not is_remote(source.path):
        return line_files(
            profile, look(source.path, product_lists_of(profile), any_suffix=profile.reader.format is not None)
        )
    if profile.tables or profile.files:
        raise SourceError(
            f"The profile {profile.name} of the source {source.name} tells files of a folder apart (`files`, "
            "`tables`), and objects of a bucket aren't. Copy them to a folder and give its path."
        )
    lists = product_lists_of(profile)
    fetched = fetch(
        settings, source.name, source.path, product_lists=lists, on_file=lambda key: tell(f"Fetching {key}")
    )
    return Located(fetched.paths, fetched.problems)


def _pending(
    lake: Lake, source: FilesSource, profile: Profile, paths: Sequence[Path]
) -> tuple[list[Path], tuple[str, ...]]:
    """Files that are new, have changed, or were registered through another profile; and what is told of copies."""
    with lake.cursor() as con:
        paths, notes = without_copies(con, source.name, paths)
        registered = [file for file in read_source_files(con) if file.source == source.name]
    known = {file.path: (file.byte_size, file.modified_at) for file in registered if file.profile == profile.to_yaml()}
    pending = [path for path in paths if known.get(str(path)) != state_of(path)]
    if not pending and tables_changed(find_tables(profile, paths), registered):
        pending = list(paths[:1])  # all others are looked at with it
    return pending, notes


def _pull(lake: Lake, source: SourceConfig, tell: Tell) -> Reading:
    lines = 0

    def told(receipt: Receipt) -> None:
        nonlocal lines
        lines += receipt.lines_read
        tell(f"Read {lines:,} lines")

    require_allowed(lake.settings, source)
    profile, pages = source.read_profile(), paged(source)
    receipts = pull(Upserter(lake), source.name, profile, pages, now=utc_now, on_page=told)
    first = min((each.first_day for each in receipts if each.first_day), default=None)
    last = max((each.last_day for each in receipts if each.last_day), default=None)
    return Reading(first, last, ((first, last),) if first and last else (), receipts)


def _count(settings: Settings, source: FilesSource) -> tuple[int, Mapping[str, str]]:
    if is_remote(source.path):
        found, problems = count_objects(settings, source.path)
        if not found and not problems:
            raise SourceError(f"there is no object at {source.path}")
        return found, problems
    profile = source.read_profile()
    at_hand = line_files(
        profile, look(source.path, product_lists_of(profile), any_suffix=profile.reader.format is not None)
    )
    return len(at_hand.files), at_hand.problems


def _topic(source: KafkaSource) -> str:
    try:
        from segmentation.sources.kafka import describe
    except ModuleNotFoundError as error:
        raise SourceError(f"streams need the packages of the extra `stream` ({error})") from error
    return describe(source)
