"""Physical lines: each is accounted for, and one that is lost on the way stops the reading."""

import codecs
from pathlib import Path

import pyarrow as pa
import pytest

from segmentation.errors import SourceError
from segmentation.sources.dry_run import dry_run_files, facts_of
from segmentation.sources.profiles.profile import Reader, load_profile
from segmentation.sources.readers import text_blocks
from segmentation.sources.readers.limits import ReadingLimits
from segmentation.sources.readers.line_accounts import LineEnds
from segmentation.sources.readers.text_files import CsvFile
from segmentation.warehouse import Lake
from segmentation_assets_tests.domain.sources.shop_files import NOW, ingest, rows_of

LIMITS = ReadingLimits(seconds=60, content_bytes=1 << 30, ratio=1e9)
HEADER = "order_id,customer_id,product_id,quantity,unit_price,ordered_at,note"
GOOD = "1,c1,p1,1,2.5,2024-03-01 10:00:00,"


def _account(path: Path, text: bytes, reader: Reader | None = None) -> tuple[int, ...]:
    path.write_bytes(text)
    found = CsvFile(path, reader or Reader(), LIMITS)
    list(found.tables())
    got = found.account
    return got.physical, got.above, got.records, got.malformed, got.joined, got.blank


@pytest.mark.parametrize(
    ("text", "counts"),
    [
        (b"a,b\n1,2\n", (2, 1, 1, 0, 0, 0)),
        (b"a,b\n1,2", (2, 1, 1, 0, 0, 0)),
        (b"a,b", (1, 1, 0, 0, 0, 0)),
        (b"a,b\n\n\n1,2\n\n", (5, 1, 1, 0, 0, 3)),
        (b"\n\na,b\r\n1,2\r\n   \r\n", (5, 3, 1, 0, 0, 1)),
        (b"a,b\r1,2\r3,4\r", (3, 1, 2, 0, 0, 0)),
        (b"a,b\r\n1,2\r3,4\n5,6\n\r\n", (5, 1, 3, 0, 0, 1)),
        (b'a,b\n1,"x\r\n\r\ny"\n\n2,3\n', (6, 1, 2, 0, 2, 1)),
        (b'a,b\n1,2,"x\ny"\n3,4\n', (4, 1, 1, 1, 1, 0)),
        (b"a,b\n1,2\nTotal\n(1 rows affected)\n\x0c\n\x1a", (6, 1, 1, 3, 0, 1)),
        (b"a,b\n1,x\0y\n2,\x0c\n", (3, 1, 2, 0, 0, 0)),
    ],
)
@pytest.mark.parametrize("block", [12, 13, 14, 1 << 20])
def test_each_physical_line_is_somewhere(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: bytes, counts: tuple[int, ...], block: int
) -> None:
    monkeypatch.setattr(text_blocks, "BLOCK_BYTES", block)
    assert _account(tmp_path / "a.csv", text) == counts


def test_line_ends_that_two_blocks_share_are_one() -> None:
    ends = LineEnds()
    for block in (b"a\r", b"\nb\r", b"\r", b"\n", b"c"):
        ends.feed(block)
    assert ends.lines == 4


def test_a_parser_that_loses_a_line_is_found_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    read = CsvFile._read

    def lossy(self: CsvFile, lines: bytes) -> pa.Table:
        return read(self, lines).slice(1)

    monkeypatch.setattr(CsvFile, "_read", lossy)
    with pytest.raises(SourceError, match="has 4 physical lines, but 3 were accounted for"):
        _account(tmp_path / "a.csv", b"a,b\n1,2\n3,4\n5,6\n")


def test_lines_that_a_quotation_joined_are_told_and_kept(lake: Lake, tmp_path: Path) -> None:
    path = tmp_path / "orders.csv"
    path.write_text(f'{HEADER}\n{GOOD}"one\ntwo\nthree"\n{GOOD}"x\ny"\n')
    found = dry_run_files(lake.settings, str(path), load_profile("canonical"), now=NOW)
    assert facts_of(found)["lines_joined"] == 3
    assert found.report.remarks == (
        f"{path}: 6 physical lines; 3 lines joined to others by quotations, first to line 2",
    )
    ingest(lake, path)
    ingest(lake, path)
    rows = rows_of(lake, "SELECT ordered_on IS NULL, lines_read, lines_joined FROM raw.loads ORDER BY 1")
    assert rows == [(False, 2, 0), (True, 0, 3)]


@pytest.mark.parametrize("encoding", ["utf-16", "utf-8-sig", "utf-32", "utf-16-le", "utf-16-be"])
def test_an_encoding_that_the_first_bytes_tell_needs_no_setting(tmp_path: Path, encoding: str) -> None:
    assert _account(tmp_path / "a.csv", "a,b\n1,\u00e9\n".encode(encoding)) == (2, 1, 1, 0, 0, 0)


def test_a_byte_order_mark_counts_more_than_the_setting(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_bytes(codecs.BOM_UTF8 + "a,b\n1,\u00e9\n".encode())
    found = CsvFile(path, Reader(encoding="cp1252"), LIMITS)
    assert (found.header, next(found.tables()).to_pylist()) == (("a", "b"), [{"c0": "1", "c1": "\u00e9"}])


def test_a_file_in_another_encoding_is_refused_with_what_it_would_say(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="Name its encoding.*'M\u00fcller' as cp1252"):
        _account(tmp_path / "a.csv", "a,b\n1,M\u00fcller\n".encode("cp1252"))
