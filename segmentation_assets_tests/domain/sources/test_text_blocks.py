"""Text in blocks: the same lines come out wherever a block ends, in the thread that asks, and within limits."""

import gzip
import threading
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.csv as pa_csv
import pytest
from hypothesis import given
from hypothesis import settings as example_settings
from hypothesis import strategies as st

from segmentation.errors import SourceError
from segmentation.sources.profiles.profile import Reader
from segmentation.sources.readers import text_blocks
from segmentation.sources.readers.limits import ReadingLimits
from segmentation.sources.readers.quotations import Dialect
from segmentation.sources.readers.text_files import CsvFile

LIMITS = ReadingLimits(seconds=60, content_bytes=1 << 30, ratio=1e9)
CELLS = st.sampled_from(["a", "", '"a"', '"a,b"', '"a\nb"', '"a""b"', 'a"b', '"a"b', '""', '"\r\n"', "\u00e9", '" "'])
RECORDS = st.lists(st.tuples(CELLS, CELLS, CELLS, st.sampled_from(["\n", "\r\n", "\r"])), max_size=12)


def _parsed(text: bytes) -> list[dict[str, object]]:
    if not text:
        return []
    table = pa_csv.read_csv(
        pa.BufferReader(text),
        pa_csv.ReadOptions(column_names=["a", "b", "c"], use_threads=False, block_size=len(text) + 1),
        pa_csv.ParseOptions(newlines_in_values=True),
        pa_csv.ConvertOptions(column_types=dict.fromkeys("abc", pa.string())),
    )
    rows: list[dict[str, object]] = table.to_pylist()
    return rows


@example_settings(max_examples=300, deadline=None)
@given(records=RECORDS, cut=st.integers(0, 200))
def test_a_text_that_is_cut_after_a_whole_line_parses_as_it_does_uncut(
    records: list[tuple[str, str, str, str]], cut: int
) -> None:
    text = "".join(f"{a},{b},{c}{end}" for a, b, c, end in records).encode()
    end = Dialect(",").last_end(text[:cut])
    assert end <= cut
    assert _parsed(text[:end]) + _parsed(text[end:]) == _parsed(text)


def test_a_whole_text_is_all_taken() -> None:
    text = b'a,"b\n",c\n"a""x",b,c\r\n\n'
    assert Dialect(",").last_end(text) == len(text)
    assert Dialect(",").last_end(text + b'"open,\n') == len(text)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "latin-1", "utf-16", "shift_jis", "utf-32"])
def test_every_encoding_gives_the_same_lines_whatever_the_blocks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, encoding: str
) -> None:
    monkeypatch.setattr(text_blocks, "BLOCK_BYTES", 37)
    path = tmp_path / "a.csv.gz"
    lines = [f'"c{n}",{n}' for n in range(60)]
    path.write_bytes(gzip.compress("\n".join(["a,b", *lines]).encode(encoding)))
    found = CsvFile(path, Reader(encoding=encoding), LIMITS)
    rows = [tuple(row.values()) for table in found.tables() for row in table.to_pylist()]
    assert rows == [(f"c{n}", str(n)) for n in range(60)]


def test_malformed_lines_are_handed_over_in_the_thread_that_asks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    threads = set()
    keep = CsvFile._keep_malformed

    def kept(self: CsvFile, row: Any) -> str:
        threads.add(threading.current_thread())
        return keep(self, row)

    monkeypatch.setattr(CsvFile, "_keep_malformed", kept)
    path = tmp_path / "a.csv"
    path.write_text("a,b\n" + "1,2\n1,2,3\n" * 300_000)
    found = CsvFile(path, Reader(), LIMITS)
    assert sum(len(found.malformed) for _ in found.tables()) == 300_000
    assert threads == {threading.current_thread()}


@pytest.mark.parametrize(
    ("limits", "setting"),
    [
        (ReadingLimits(0.000001, 1 << 30, 1e9), "SEGMENTATION_READ_TIMEOUT_S"),
        (ReadingLimits(60, 1_000, 1e9), "SEGMENTATION_MAX_FILE_BYTES"),
    ],
)
def test_a_limit_is_named_with_its_setting(tmp_path: Path, limits: ReadingLimits, setting: str) -> None:
    path = tmp_path / "a.csv"
    path.write_text("a,b\n" + "1,2\n" * 1_000)
    with pytest.raises(SourceError, match=setting):
        list(CsvFile(path, Reader(), limits).tables())


@pytest.mark.parametrize("encoding", ["zlib", "base64", "rot13", "nonsense"])
def test_an_encoding_is_one_of_text(encoding: str) -> None:
    with pytest.raises(ValueError, match="no encoding"):
        Reader(encoding=encoding)
