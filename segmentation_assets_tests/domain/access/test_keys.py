"""API keys from their making to their end, by function and by command; and that no secret is kept."""

import hashlib
import json
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import assume, example, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from typer.testing import CliRunner

from segmentation.access.keys import (
    ApiKey,
    Keyring,
    NewKey,
    Scope,
    create_key,
    read_keys,
    revoke_key,
    rotate_key,
)
from segmentation.cli.keys import keys as commands
from segmentation.errors import SegmentationError
from segmentation.settings import Settings
from segmentation.warehouse import Lake
from segmentation_assets_tests.conftest import BUCKETS

NOW = datetime(2024, 7, 1, 12)
DAY, HOUR = timedelta(days=1), timedelta(hours=1)


@pytest.fixture(scope="module")
def shared_lake(empty_lake: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lake]:
    """A lake for tests that leave others' keys alone; opening one takes longer than most of them."""
    home = tmp_path_factory.mktemp("keys") / "warehouse"
    shutil.copytree(empty_lake, home)
    with Lake(Settings(home=home, customer_buckets=BUCKETS, threads=1), create=True) as opened:
        yield opened


@pytest.fixture
def home(lake: Lake, settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The home of a lake that commands use."""
    lake.close()
    monkeypatch.setenv("SEGMENTATION_HOME", str(settings.home))
    monkeypatch.setenv("SEGMENTATION_CUSTOMER_BUCKETS", str(settings.customer_buckets))
    return settings.home


def test_a_new_key_is_found_by_its_text_alone(shared_lake: Lake) -> None:
    new = _create(shared_lake, "checkout", Scope.SCORE, Scope.READ)
    assert re.fullmatch(r"seg_[0-9a-f]{12}_[\w-]{43}", new.text)
    assert _keyring(shared_lake).find(new.text, NOW) == new.key
    assert new.key.scopes == (Scope.READ, Scope.SCORE)
    assert (new.key.name, new.key.created_at, new.key.expires_at) == ("checkout", NOW, None)


def test_keys_are_listed_oldest_first_whatever_became_of_them(lake: Lake) -> None:
    names = ["third", "first", "second"]
    for hours, name in zip((3, 1, 2), names, strict=True):
        create_key(lake, name, [Scope.READ], now=NOW + hours * HOUR)
    revoke_key(lake, _read(lake)[0].key_id, now=NOW + DAY)
    assert [key.name for key in _read(lake)] == ["first", "second", "third"]


def test_no_two_keys_share_anything_secret(shared_lake: Lake) -> None:
    made = [_create(shared_lake, "same name") for _ in range(3)]
    for part in ("key_id", "salt", "digest"):
        assert len({getattr(new.key, part) for new in made}) == 3
    assert len({new.text for new in made}) == 3
    assert [_keyring(shared_lake).find(new.text, NOW) for new in made] == [new.key for new in made]


@pytest.mark.parametrize(
    "name", ["", "a" * 65, "a\nb", "a\n", "a\0b", "<script>", "a;b", "a'b", '"', "a\tb", "[bold]", "🙂"], ids=repr
)
def test_a_name_that_could_be_more_than_a_name_is_refused(shared_lake: Lake, name: str) -> None:
    before = _read(shared_lake)
    with pytest.raises(SegmentationError, match="is no name for a key"):
        _create(shared_lake, name)
    assert _read(shared_lake) == before


@pytest.mark.parametrize("name", ["a", "a" * 64, "Åsa", "ops@shop.example", "ci/deploy-1 v2.0", "日本"])
def test_a_name_of_letters_digits_and_a_few_signs_is_taken(shared_lake: Lake, name: str) -> None:
    assert _create(shared_lake, name).key.name == name


def test_a_key_without_scopes_is_refused_with_those_there_are(shared_lake: Lake) -> None:
    with pytest.raises(SegmentationError, match="needs a scope: score, read, ingest, admin"):
        create_key(shared_lake, "idle", [], now=NOW)


def test_a_scope_given_twice_counts_once(shared_lake: Lake) -> None:
    assert _create(shared_lake, "twice", Scope.READ, Scope.READ).key.scopes == (Scope.READ,)


@pytest.mark.parametrize("expires_at", [NOW, NOW - DAY])
def test_a_key_that_would_be_expired_is_refused(shared_lake: Lake, expires_at: datetime) -> None:
    with pytest.raises(SegmentationError, match="expired already"):
        create_key(shared_lake, "late", [Scope.READ], now=NOW, expires_at=expires_at)


def test_a_key_works_until_it_expires(shared_lake: Lake) -> None:
    new = create_key(shared_lake, "guest", [Scope.READ], now=NOW, expires_at=NOW + DAY)
    keyring = _keyring(shared_lake)
    assert keyring.find(new.text, NOW + DAY - timedelta(microseconds=1)) == new.key
    assert keyring.find(new.text, NOW + DAY) is None


def test_a_revoked_key_works_no_more_and_others_do(shared_lake: Lake) -> None:
    revoked, other = _create(shared_lake, "revoked"), _create(shared_lake, "other")
    assert revoke_key(shared_lake, revoked.key.key_id, now=NOW + HOUR).name == "revoked"
    keyring = _keyring(shared_lake)
    assert keyring.find(revoked.text, NOW + HOUR) is None
    assert keyring.find(other.text, NOW + HOUR) == other.key
    assert [key.revoked_at for key in _read(shared_lake) if key.name == "revoked"] == [NOW + HOUR]


def test_a_rotated_key_works_beside_its_successor_for_a_while(lake: Lake) -> None:
    old = _create(lake, "till", Scope.SCORE, Scope.READ)
    new = rotate_key(lake, old.key.key_id, now=NOW + DAY, grace=HOUR)
    keyring = _keyring(lake)

    assert (new.key.name, new.key.scopes, new.key.expires_at) == ("till", old.key.scopes, None)
    assert new.text != old.text
    just_before_its_end = keyring.find(old.text, NOW + DAY + HOUR - timedelta(microseconds=1))
    assert just_before_its_end is not None
    assert just_before_its_end.key_id == old.key.key_id
    assert keyring.find(old.text, NOW + DAY + HOUR) is None
    assert keyring.find(new.text, NOW + DAY + HOUR) == new.key


def test_a_key_that_is_being_replaced_is_not_replaced_again(lake: Lake) -> None:
    old = create_key(lake, "twice", [Scope.READ], now=NOW)
    new = rotate_key(lake, old.key.key_id, now=NOW + DAY, grace=DAY)
    with pytest.raises(SegmentationError, match=f"by {new.key.key_id}"):
        rotate_key(lake, old.key.key_id, now=NOW + DAY + HOUR, grace=DAY)
    assert rotate_key(lake, new.key.key_id, now=NOW + 2 * DAY, grace=HOUR).key.expires_at is None


def test_a_rotation_without_grace_ends_the_old_key_at_once(shared_lake: Lake) -> None:
    old = _create(shared_lake, "leaked")
    new = rotate_key(shared_lake, old.key.key_id, now=NOW + HOUR, grace=timedelta())
    assert _keyring(shared_lake).find(old.text, NOW + HOUR) is None
    assert _keyring(shared_lake).find(new.text, NOW + HOUR) == new.key


def test_a_rotation_never_prolongs_the_old_key_and_gives_the_new_one_its_whole_life(lake: Lake) -> None:
    old = create_key(lake, "guest", [Scope.READ], now=NOW, expires_at=NOW + 10 * DAY)
    new = rotate_key(lake, old.key.key_id, now=NOW + 9 * DAY, grace=5 * DAY)
    assert {key.key_id: key.expires_at for key in _read(lake)} == {
        old.key.key_id: NOW + 10 * DAY,
        new.key.key_id: NOW + 19 * DAY,
    }


@pytest.mark.parametrize("end", ["revoked", "expired"])
def test_what_has_ended_can_be_neither_rotated_nor_revoked(lake: Lake, end: str) -> None:
    new = create_key(lake, "gone", [Scope.READ], now=NOW, expires_at=NOW + DAY)
    if end == "revoked":
        revoke_key(lake, new.key.key_id, now=NOW)
    before = _read(lake)
    for attempt in (
        lambda: rotate_key(lake, new.key.key_id, now=NOW + DAY, grace=DAY),
        lambda: revoke_key(lake, new.key.key_id, now=NOW + DAY),
    ):
        with pytest.raises(SegmentationError, match=f"{end} already"):
            attempt()
    assert _read(lake) == before


@pytest.mark.parametrize("key_id", ["ffffffffffff", "", "' OR 1=1 --"])
def test_a_key_that_is_not_there_is_named(shared_lake: Lake, key_id: str) -> None:
    _create(shared_lake, "other")
    with pytest.raises(SegmentationError, match="There is no key"):
        revoke_key(shared_lake, key_id, now=NOW)
    with pytest.raises(SegmentationError, match="There is no key"):
        rotate_key(shared_lake, key_id, now=NOW, grace=HOUR)


def test_no_secret_is_in_the_lake_nor_in_any_of_its_files(lake: Lake, settings: Settings) -> None:
    made = [_create(lake, "kept"), _create(lake, "rotated"), _create(lake, "revoked")]
    made.append(rotate_key(lake, made[1].key.key_id, now=NOW, grace=HOUR))
    revoke_key(lake, made[2].key.key_id, now=NOW)
    with lake.cursor() as con:
        tables = con.execute("SELECT table_schema || '.' || table_name FROM information_schema.tables").fetchall()
        held = "\n".join(str(con.execute(f"FROM {name}").fetchall()) for (name,) in tables)
    lake.close()
    files = [path for path in settings.home.rglob("*") if path.is_file()]
    contents = b"\n".join(path.read_bytes() for path in files)

    assert any(path.suffix == ".parquet" or path.name == "catalog.sqlite" for path in files)
    for new in made:
        secret = new.text.split("_", 2)[2]
        assert new.key.digest in held
        assert secret not in held
        assert secret.encode() not in contents
        assert secret not in repr(new.key)


SECRET = "a-secret_of-43-characters-or-so"
DIGEST = hashlib.sha256(f"salt{SECRET}".encode()).hexdigest()
ONE = NewKey(ApiKey("0123456789ab", "one", (Scope.READ,), "salt", DIGEST, NOW), f"seg_0123456789ab_{SECRET}")
RING = Keyring([ONE.key])


def _near_keys() -> st.SearchStrategy[str]:
    """The key with something cut out, and something else put in."""
    places = st.integers(0, len(ONE.text))
    new = st.text(max_size=3) | st.sampled_from(["seg_", "_", " ", "\0", "\ud800", "é"])
    return st.builds(lambda start, end, text: ONE.text[:start] + text + ONE.text[end:], places, places, new)


@hypothesis_settings(max_examples=500, derandomize=True, database=None)
@given(st.text() | _near_keys())
@example(ONE.text.removeprefix("seg_"))
@example(f"seg_{ONE.text}")
@example(ONE.text.replace("seg_", "seg__"))
@example(f"{ONE.text} ")
def test_no_other_text_is_the_key(text: str) -> None:
    assume(text != ONE.text)
    assert RING.find(ONE.text, NOW) == ONE.key
    assert RING.find(text, NOW) is None


@hypothesis_settings(max_examples=100, derandomize=True, database=None)
@given(st.text())
def test_an_empty_ring_holds_no_key(text: str) -> None:
    assert Keyring([]).find(text, NOW) is None


def test_commands_make_list_rotate_and_revoke_a_key(home: Path, settings: Settings) -> None:
    made = _json("create", "checkout", "--scope", "score", "-s", "read", "--json")
    assert {name: made[name] for name in ("name", "scopes", "state", "expires_at", "revoked_at")} == {
        "name": "checkout",
        "scopes": ["read", "score"],
        "state": "valid",
        "expires_at": None,
        "revoked_at": None,
    }
    replaced = _json("rotate", made["key_id"], "--grace-hours", "0.5", "--json")
    assert replaced["key"] != made["key"]
    guest = _json("create", "guest", "-s", "read", "--expires-days", "30", "--json")
    _run("revoke", guest["key_id"])

    listed = _json("list", "--json")
    created = datetime.fromisoformat(made["created_at"])
    assert [(each["name"], each["state"]) for each in listed] == [
        ("checkout", "valid"),
        ("checkout", "valid"),
        ("guest", "revoked"),
    ]
    assert HOUR / 2 <= datetime.fromisoformat(listed[0]["expires_at"]) - created < HOUR
    assert datetime.fromisoformat(guest["expires_at"]) - datetime.fromisoformat(guest["created_at"]) == 30 * DAY
    assert not any("key" in each or "digest" in each or "salt" in each for each in listed)
    with Lake(settings, read_only=True) as lake:
        now = created.replace(tzinfo=None)
        assert _keyring(lake).find(replaced["key"], now) is not None


def test_a_key_is_shown_once_with_how_to_send_it(home: Path) -> None:
    shown = _run("create", "till 7", "-s", "score")
    text = shown.split()[0]
    assert re.fullmatch(r"seg_[0-9a-f]{12}_[\w-]{43}", text)
    assert "till 7" in shown
    assert "Authorization: Bearer" in shown
    listed = _run("list")
    assert text.split("_")[1] in listed
    assert text.split("_", 2)[2] not in listed
    assert "never" in listed
    assert "valid" in listed


def test_a_list_of_no_keys_says_how_to_make_one(home: Path) -> None:
    assert "segmentation keys create" in _run("list")
    assert _json("list", "--json") == []


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["create", "a\nb", "-s", "read"], "is no name for a key"),
        (["revoke", "ffffffffffff"], "There is no key 'ffffffffffff'"),
        (["rotate", "ffffffffffff"], "There is no key 'ffffffffffff'"),
    ],
    ids=str,
)
def test_what_cannot_be_done_is_told_as_such(home: Path, arguments: list[str], message: str) -> None:
    result = CliRunner().invoke(commands, arguments)
    assert isinstance(result.exception, SegmentationError)
    assert message in str(result.exception)


@pytest.mark.parametrize(
    "arguments",
    [
        ["create", "nobody"],
        ["create", "everybody", "-s", "all"],
        ["create", "late", "-s", "read", "--expires-days", "0"],
        ["create", "late", "-s", "read", "--expires-days", "9999999"],
        ["create", "late", "-s", "read", "--expires-days", str(10**12)],
        ["rotate", "ffffffffffff", "--grace-hours", "-1"],
        ["rotate", "ffffffffffff", "--grace-hours", "1e30"],
        ["rotate", "ffffffffffff", "--grace-hours", "inf"],
        ["rotate", "ffffffffffff", "--grace-hours", "nan"],
        ["revoke"],
    ],
    ids=" ".join,
)
def test_a_wrong_call_exits_with_2(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: list[str]) -> None:
    monkeypatch.setenv("SEGMENTATION_HOME", str(tmp_path / "none"))
    assert CliRunner().invoke(commands, arguments).exit_code == 2
    assert not (tmp_path / "none").exists()


def test_the_command_works_as_people_call_it(home: Path) -> None:
    command = [sys.executable, "-m", "segmentation.cli", "keys"]
    made = subprocess.run([*command, "create", "shell", "-s", "read"], capture_output=True, text=True, timeout=60)
    failed = subprocess.run([*command, "revoke", "nothing"], capture_output=True, text=True, timeout=60)
    assert (made.returncode, made.stderr) == (0, "")
    assert made.stdout.startswith("seg_")
    assert (failed.returncode, failed.stdout) == (1, "")
    assert failed.stderr.startswith("Error: There is no key 'nothing'")


def _create(lake: Lake, name: str, *scopes: Scope) -> NewKey:
    return create_key(lake, name, scopes or (Scope.READ,), now=NOW)


def _read(lake: Lake) -> tuple[ApiKey, ...]:
    with lake.cursor() as con:
        return read_keys(con)


def _keyring(lake: Lake) -> Keyring:
    return Keyring(_read(lake))


def _run(*arguments: str) -> str:
    result = CliRunner().invoke(commands, arguments)
    assert result.exit_code == 0, result.output
    return result.stdout


def _json(*arguments: str) -> Any:
    return json.loads(_run(*arguments))
