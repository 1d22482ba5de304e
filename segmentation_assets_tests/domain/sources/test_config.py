"""`sources.yaml`: what may be declared, and what is told about the rest."""

from collections.abc import Iterator
from importlib.metadata import EntryPoint
from pathlib import Path

import pytest

from segmentation.errors import SourceError
from segmentation.settings import Settings
from segmentation.sources import config, reading
from segmentation.sources.config import (
    EXAMPLE_OF,
    DatabaseSource,
    FilesSource,
    KafkaSource,
    PushSource,
    declared_source,
    declared_sources,
    parse_sources,
)
from segmentation.sources.incremental.deliveries import StalePositionsError
from segmentation.sources.incremental.pulling import pull
from segmentation.sources.incremental.upsert import Upserter
from segmentation.sources.profiles.profile import load_profile
from segmentation.sources.readers.databases import moved_back
from segmentation.sources.readers.object_store import matches
from segmentation.sources.readers.pages import Page
from segmentation.warehouse import Lake
from segmentation_assets_tests.domain.sources.test_upsert import NOW, line


def parsed(text: str, **environment: str) -> dict[str, config.SourceConfig]:
    return parse_sources(text, "sources.yaml", environment)


@pytest.mark.parametrize("kind", EXAMPLE_OF)
def test_every_example_can_be_pasted(kind: str) -> None:
    [source] = parsed(EXAMPLE_OF[kind], SHOP_PASSWORD="p").values()
    assert source.type == kind
    assert source.profile == "canonical"


def test_each_type_becomes_what_it_is() -> None:
    found = parsed(
        """
        sources:
          a: {type: files, path: "*.csv"}
          b: {type: mysql, connection: x, query: SELECT 1, cursor: id}
          c: {type: push}
          d: {type: kafka, servers: x, topic: t}
        """
    )
    assert [type(each) for each in found.values()] == [FilesSource, DatabaseSource, PushSource, KafkaSource]
    assert [each.name for each in found.values()] == ["a", "b", "c", "d"]


def test_variables_of_the_environment_are_filled_in() -> None:
    text = "sources: {a: {type: kafka, servers: '${HOST}:${PORT:-9092}', topic: t, options: {x: '${HOST}'}}}"
    source = parsed(text, HOST="h")["a"]
    assert isinstance(source, KafkaSource)
    assert (source.servers, source.options) == ("h:9092", {"x": "h"})
    with pytest.raises(SourceError, match="no variable HOST"):
        parsed(text)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("sources: [", "not valid YAML"),
        ("shops: {}", "For example"),
        ("sources: {a b: {type: push}}", "malformed"),
        ("sources: {a: {type: ftp}}", "no type 'ftp'"),
        ("sources: {a: {}}", "type"),
        ("sources: {a: {type: push, colour: red}}", "a.colour"),
        ("sources: {a: {type: files}}", "a.path"),
        ("sources: {a: {type: postgres, connection: x, cursor: id}}", "either `table` or `query`"),
        ("sources: {a: {type: kafka, servers: x, topic: t, format: avro}}", "needs `schema_registry` or `avro_schema`"),
        ("sources: {a: {type: kafka, servers: x, topic: t, batch_lines: 0}}", "a.batch_lines"),
    ],
)
def test_what_is_wrong_is_told_with_its_place(text: str, problem: str) -> None:
    with pytest.raises(SourceError) as caught:
        parsed(text)
    assert problem in str(caught.value)


def test_without_a_file_there_are_no_sources_and_it_is_said_how_to_add_one(tmp_path: Path) -> None:
    settings = Settings(sources=tmp_path / "none.yaml")
    assert declared_sources(settings) == {}
    with pytest.raises(SourceError, match="type: kafka"):
        declared_source(settings, "app", KafkaSource)


def test_a_profile_without_line_ids_will_not_do_for_deliveries(tmp_path: Path) -> None:
    source = PushSource(name="a", type="push", profile="uci-online-retail")
    with pytest.raises(SourceError, match="gives no line_id"):
        source.read_profile()
    FilesSource(name="a", type="files", path="x", profile="uci-online-retail").read_profile()


@pytest.mark.parametrize(
    ("position", "overlap", "expected"),
    [
        (None, 5, None),
        ("100", 5, "95"),
        ("2025-01-01T00:01:00+00:00", 30, "2025-01-01T00:00:30+00:00"),
        ("2025-01-01T00:01:00", 0, "2025-01-01T00:01:00"),
        ("abc", 5, "abc"),
    ],
)
def test_a_reading_begins_a_little_earlier(position: str | None, overlap: float, expected: str | None) -> None:
    assert moved_back(position, overlap) == expected


@pytest.mark.parametrize(
    ("key", "pattern", "expected"),
    [
        ("a/b.csv", "a/b.csv", True),
        ("a/b.csv", "a", True),
        ("a/b.csv", "a/", True),
        ("ab/c.csv", "a", False),
        ("a/b.csv", "a/*.csv", True),
        ("a/b/c.csv", "a/*.csv", False),
        ("a/b/c.csv", "a/**/*.csv", True),
        ("a/c.csv", "a/**/*.csv", True),
        ("a/b1.csv", "a/b?.csv", True),
        ("a/b+c.csv", "a/b+*.csv", True),
        ("x.csv", "", True),
    ],
)
def test_which_objects_a_pattern_means(key: str, pattern: str, expected: bool) -> None:
    assert matches(key, pattern) is expected


class Plugin:
    """A source that a package might bring: numbered lines, two a page."""

    lines = 5

    def __init__(self, prefix: str) -> None:
        self._prefix = prefix

    def check(self) -> str:
        return f"{self.lines} lines"

    def pages(self, position: str | None) -> Iterator[Page]:
        start = int(position or 0)
        while start < self.lines:
            end = min(start + 2, self.lines)
            yield Page([line(f"{self._prefix}{number}") for number in range(start, end)], str(end))
            start = end


def test_a_plug_in_is_read_on_from_where_it_was_left(
    lake: Lake, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    entry = EntryPoint("numbers", f"{__name__}:Plugin", config.PLUGINS)
    monkeypatch.setattr(config, "plugins", lambda: {"numbers": entry})
    monkeypatch.setattr(reading, "plugins", lambda: {"numbers": entry})
    source = parsed("sources: {n: {type: numbers, options: {prefix: n-}}}")["n"]
    assert reading.check(settings, source) == "5 lines"
    first = reading.read(settings, source)
    assert first.lines()["lines_new"] == 5
    assert [receipt.lines_read for receipt in first.receipts] == [2, 2, 1]
    monkeypatch.setattr(Plugin, "lines", 8)
    assert reading.read(settings, source).lines()["lines_read"] == 3
    with lake.cursor() as con:
        assert con.execute("SELECT count(*) FROM raw.transactions WHERE source = 'n'").fetchall() == [(8,)]
    wrong = parsed("sources: {n: {type: numbers, options: {colour: red}}}")["n"]
    with pytest.raises(SourceError, match="can't be made by its plug-in"):
        reading.check(settings, wrong)


def test_two_readers_of_one_source_do_not_take_its_pages_twice(lake: Lake) -> None:
    one, other = Upserter(lake), Upserter(lake)

    class Slow(Plugin):
        def pages(self, position: str | None) -> Iterator[Page]:
            yield from ((page) for page in super().pages(position) if self._let_the_other_first())

        def _let_the_other_first(self) -> bool:
            if not other.positions("n"):
                pull(other, "n", load_profile("canonical"), Plugin(""), now=lambda: NOW)
            return True

    with pytest.raises(StalePositionsError, match="Another process"):
        pull(one, "n", load_profile("canonical"), Slow(""), now=lambda: NOW)
    with lake.cursor() as con:
        assert con.execute("SELECT count(*) FROM raw.transactions").fetchall() == [(5,)]


def test_one_bad_file_holds_up_no_other_and_is_told(lake: Lake, settings: Settings, tmp_path: Path) -> None:
    header = "line_id,order_id,customer_id,product_id,quantity,unit_price,ordered_at"
    for number in range(2):
        (tmp_path / f"{number}.csv").write_text(f"{header}\n{number},1,1,1,1,1,2025-01-0{number + 1}\n")
    (tmp_path / "bad.csv").write_text("line_id,order_id\n1,2\n")
    source = FilesSource(name="till", type="files", path=str(tmp_path / "*.csv"))
    found = reading.read(settings, source)
    assert len(found.files) == 2
    [(path, problem)] = found.problems
    assert path.endswith("bad.csv")
    assert "lacks what the profile canonical reads" in problem
    assert (str(found.first_day), str(found.last_day)) == ("2025-01-01", "2025-01-02")
    (tmp_path / "bad.csv").unlink()
    assert reading.read(settings, source).files == ()
