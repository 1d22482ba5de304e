"""Buckets with odd keys and folders with odd files: what can be read comes in, and the rest is named."""

import os
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from segmentation.errors import SourceError
from segmentation.settings import Settings
from segmentation.sources.batch.registration import register
from segmentation.sources.config import FilesSource
from segmentation.sources.dry_run import dry_run_source
from segmentation.sources.profiles.profile import load_profile
from segmentation.sources.readers.object_keys import copy_of, oddity_of
from segmentation.sources.reading import check, read
from segmentation.warehouse import Lake
from segmentation_assets_tests.domain.sources.shop_files import NOW, line, rows_of, write
from segmentation_assets_tests.testing.odd_bucket import BUCKET, running_odd_bucket

PLAIN_KEYS = [
    "a.csv",
    "A.csv",
    "a.csv/b.csv",
    "per%cent%41.csv",
    "question?.csv",
    "star*.csv",
    "bracket[1].csv",
    "hash#.csv",
    "ünï 日本.csv",
    "trailing .csv ",
    "back\\slash.csv",
    "plus+x.csv",
    "amp&<x>.csv",
    "'quote\".csv",
    "long/" + "x" * 400 + ".csv",
    "deep/" + "d/" * 60 + "e.csv",
    "~tilde.csv",
    "tabs.v1.2.tsv",
]
"""Keys whose objects come in."""

ODD_KEYS = ["a//b.csv", "//c.csv", "/lead.csv", "./x.csv", "a/./x.csv", "a/../y.csv", "../z.csv", "line\nbreak.csv"]
"""Keys whose objects are left alone, and named."""

PASSED_OVER = [".hidden.csv", "_temporary/x.csv", "readme.txt", "folder/", "odd//readme.txt"]


def _content(number: int, key: str) -> bytes:
    header, values = list(line(number)), [str(each) for each in line(number).values()]
    mark = "\t" if key.endswith("tsv") else ","
    return "\n".join([mark.join(header), mark.join(values)]).encode()


OBJECTS = {key: _content(number, key) for number, key in enumerate([*PLAIN_KEYS, *ODD_KEYS, *PASSED_OVER])}


@pytest.fixture(scope="module")
def endpoint() -> Iterator[str]:
    with running_odd_bucket(OBJECTS) as running:
        yield running


@pytest.fixture
def with_bucket(lake: Lake, endpoint: str) -> Settings:
    keys = {"s3_endpoint": endpoint, "s3_region": "us-east-1", "s3_key_id": "k"}
    return Settings(**{**lake.settings.model_dump(), **keys, "s3_secret": "s"})


def _source(path: str) -> FilesSource:
    return FilesSource(name="odd", type="files", path=path)


def test_odd_keys_are_named_and_hold_up_no_other(lake: Lake, with_bucket: Settings) -> None:
    source = _source(f"s3://{BUCKET}/")

    found = read(with_bucket, source)

    assert len(found.files) == len(PLAIN_KEYS)
    assert {key for key, _ in found.problems} == set(ODD_KEYS)
    assert all("Copy it to another key" in problem for _, problem in found.problems)
    assert len(rows_of(lake, "SELECT path FROM raw.source_files")) == len(PLAIN_KEYS)
    assert read(with_bucket, source).files == ()
    assert dry_run_source(with_bucket, source, now=NOW).report.accepted == len(PLAIN_KEYS)
    told = check(with_bucket, source)
    assert told.startswith(f"{len(PLAIN_KEYS)} files")
    assert "'a//b.csv'" in told


@pytest.mark.parametrize(
    ("path", "keys"),
    [
        ("a.csv", ["a.csv", "a.csv/b.csv"]),
        ("long", [key for key in PLAIN_KEYS if key.startswith("long/")]),
        ("*.tsv", ["tabs.v1.2.tsv"]),
        ("deep/**/e.csv", [key for key in PLAIN_KEYS if key.startswith("deep/")]),
    ],
)
def test_a_path_means_what_it_says_beside_odd_keys(
    lake: Lake, with_bucket: Settings, path: str, keys: list[str]
) -> None:
    found = read(with_bucket, _source(f"s3://{BUCKET}/{path}"))
    assert len(found.files) == len(keys)


def test_a_copy_of_an_earlier_release_goes_on_under_its_new_name(lake: Lake, with_bucket: Settings) -> None:
    source = _source(f"s3://{BUCKET}/*.tsv")
    read(with_bucket, source)
    folder = with_bucket.home / "fetched" / "odd"
    renamed = folder / copy_of("tabs.v1.2.tsv")
    renamed.rename(folder / "tabs.v1.2.tsv")

    assert read(with_bucket, source).files == ()
    assert renamed.is_file()


def test_copies_have_places_of_their_own() -> None:
    places = [str(copy_of(key)).casefold() for key in [*PLAIN_KEYS, *ODD_KEYS]]
    assert len(set(places)) == len(places)
    assert not any(set(place) & set("*?[]\\%#\n ") for place in places)
    assert all(len(part) < 100 for place in places for part in place.split("/"))
    assert copy_of("x/products.csv", frozenset({"products.csv"})).name == "products.csv"
    assert copy_of("x/a.csv.GZ").name.endswith(".csv.gz")


def test_what_is_odd_about_a_key_is_said() -> None:
    assert not any(map(oddity_of, PLAIN_KEYS))
    assert all(map(oddity_of, ODD_KEYS))


def _odd_folder(folder: Path) -> dict[str, str]:
    """A folder with odd things beside two good files; what is told about each of them."""
    outside = write(folder.parent / "outside" / "secret.csv", [line(7)])
    write(folder / "good.csv", [line(1)])
    write(folder / "folder.csv" / "also_good.csv", [line(2)])
    os.mkfifo(folder / "pipe.csv")
    (folder / "dangling.csv").symlink_to(folder / "nothing.csv")
    (folder / "loop.csv").symlink_to(folder / "loop.csv")
    (folder / "leads_out.csv").symlink_to(outside)
    (folder / "device.csv").symlink_to("/dev/zero")
    (folder / "up").symlink_to(folder)
    with socket.socket(socket.AF_UNIX) as bound:
        here = Path.cwd()
        os.chdir(folder)  # addresses of sockets are short
        try:
            bound.bind("socket.csv")
        finally:
            os.chdir(here)
    return {
        "pipe.csv": "is a pipe",
        "dangling.csv": "link to nothing",
        "loop.csv": "can't be looked at",
        "leads_out.csv": "leads out of",
        "device.csv": "is a device",
        "socket.csv": "is a socket",
    }


def test_odd_files_are_named_and_hold_up_no_other(lake: Lake, tmp_path: Path) -> None:
    odd = _odd_folder(tmp_path / "in")

    found = read(lake.settings, _source(str(tmp_path / "in")))

    assert sorted(Path(path).name for path in found.files) == ["also_good.csv", "good.csv"]
    problems = {Path(path).name: problem for path, problem in found.problems}
    assert problems.keys() == odd.keys()
    for name, message in odd.items():
        assert message in problems[name]
    assert set(dry_run_source(lake.settings, _source(str(tmp_path / "in")), now=NOW).problems) == set(problems.values())
    by_hand = register(lake, str(tmp_path / "in"), load_profile("canonical"), now=NOW)
    assert dict(by_hand.problems) == dict(found.problems)


@pytest.mark.parametrize("name", ["pipe.csv", "dangling.csv", "loop.csv", "device.csv", "socket.csv"])
def test_an_odd_file_alone_is_refused(lake: Lake, tmp_path: Path, name: str) -> None:
    odd = _odd_folder(tmp_path / "in")
    with pytest.raises(SourceError, match=odd[name]):
        register(lake, str(tmp_path / "in" / name), load_profile("canonical"), now=NOW)


def test_a_profile_that_is_a_pipe_is_refused(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "profile.yaml")
    with pytest.raises(SourceError, match="is no file"):
        load_profile(str(tmp_path / "profile.yaml"))


@pytest.mark.parametrize("suffix", [".parquet", ".json"])
def test_a_name_that_looks_like_a_glob_means_itself(lake: Lake, tmp_path: Path, suffix: str) -> None:
    write(tmp_path / f"a1{suffix}", [line(number) for number in range(5)])
    registration = register(lake, str(write(tmp_path / f"a[1]{suffix}", [line(9)])), load_profile("canonical"), now=NOW)
    assert registration.line_count == 1
