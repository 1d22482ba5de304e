"""`segmentation keys`: the commands about API keys."""

from datetime import datetime, timedelta
from typing import Annotated

import typer
from rich.markup import escape
from rich.table import Table

from segmentation.access.keys import ApiKey, NewKey, Scope, create_key, read_keys, revoke_key, rotate_key
from segmentation.cli.output import JsonFlag, console, print_json
from segmentation.clock import utc_now
from segmentation.settings import load_settings
from segmentation.warehouse import Lake

keys = typer.Typer(
    help="Make, list, rotate and revoke the scorer's API keys.\n\nFor example: segmentation keys list",
    no_args_is_help=True,
)

MAX_DAYS = 36_500
"""A century; much more, and the calendar ends."""


@keys.command("create")
def create(
    name: Annotated[str, typer.Argument(help="Who or what the key is for.")],
    scopes: Annotated[
        list[Scope],
        typer.Option(
            "--scope",
            "-s",
            help="What it allows; may be repeated. `score`: score customers. `read`: ask about customers, segments, "
            "models and metrics. `ingest`: deliver transactions. `admin`: promote and roll back.",
        ),
    ],
    expires_days: Annotated[
        int | None, typer.Option(min=1, max=MAX_DAYS, help="Days until it expires; never if left out.")
    ] = None,
    as_json: JsonFlag = False,
) -> None:
    """Make a key and show it, once: only a salted hash of it is kept.

    For example: segmentation keys create checkout --scope score --scope read
    """
    now = utc_now()
    expires_at = now + timedelta(days=expires_days) if expires_days else None
    with Lake(load_settings()) as lake:
        new = create_key(lake, name, scopes, now=now, expires_at=expires_at)
    _show_once(new, as_json)


@keys.command("list")
def list_keys(as_json: JsonFlag = False) -> None:
    """List all keys, also revoked and expired ones.

    For example: segmentation keys list
    """
    now = utc_now()
    with Lake(load_settings(), read_only=True) as lake, lake.cursor() as con:
        found = read_keys(con)
    if as_json:
        print_json([_facts(key, now) for key in found])
        return
    table = Table("id", "name", "scopes", "created", "expires", "state")
    for key in found:
        expires = f"{key.expires_at:%Y-%m-%d %H:%M}" if key.expires_at else "never"
        created = f"{key.created_at:%Y-%m-%d %H:%M}"
        table.add_row(key.key_id, escape(key.name), " ".join(key.scopes), created, expires, _state(key, now))
    console.print(table if found else "No key yet; `segmentation keys create NAME --scope score` makes one.")


@keys.command("rotate")
def rotate(
    key_id: Annotated[str, typer.Argument(help="Id of the key that is replaced.")],
    grace_hours: Annotated[
        float, typer.Option(min=0, max=24 * MAX_DAYS, help="Hours for which the old key still works.")
    ] = 24,
    as_json: JsonFlag = False,
) -> None:
    """Make a key with the same name and scopes as another one, which goes on working for a while.

    `segmentation keys list` shows the ids.

    For example: segmentation keys rotate 0123456789ab --grace-hours 48
    """
    with Lake(load_settings()) as lake:
        new = rotate_key(lake, key_id, now=utc_now(), grace=timedelta(hours=grace_hours))
    _show_once(new, as_json)


@keys.command("revoke")
def revoke(key_id: Annotated[str, typer.Argument(help="Id of the key.")]) -> None:
    """Refuse a key from now on; scorers know within seconds.

    `segmentation keys list` shows the ids.

    For example: segmentation keys revoke 0123456789ab
    """
    with Lake(load_settings()) as lake:
        key = revoke_key(lake, key_id, now=utc_now())
    console.print(f"Key {key.key_id} ({escape(key.name)}) is revoked.")


def _show_once(new: NewKey, as_json: bool) -> None:
    if as_json:
        print_json({**_facts(new.key, new.key.created_at), "key": new.text})
        return
    console.print(
        f"{new.text}\n\nThat is the key of {escape(new.key.name)} ({', '.join(new.key.scopes)}), shown only now. "
        "Send it as `Authorization: Bearer …`.",
        soft_wrap=True,
    )


def _facts(key: ApiKey, now: datetime) -> dict[str, object]:
    times = {"created_at": key.created_at, "expires_at": key.expires_at, "revoked_at": key.revoked_at}
    return {
        "key_id": key.key_id,
        "name": key.name,
        "scopes": list(key.scopes),
        **{name: time and f"{time.isoformat()}Z" for name, time in times.items()},
        "state": _state(key, now),
    }


def _state(key: ApiKey, now: datetime) -> str:
    if key.is_valid(now):
        return "valid"
    return "revoked" if key.revoked_at else "expired"
