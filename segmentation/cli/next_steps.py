"""`segmentation` without a command: what this lake holds, and the three next steps that fit."""

from collections.abc import Set

import typer
from rich.markup import escape

from segmentation.cli.invocation import invocation
from segmentation.cli.output import console
from segmentation.clock import utc_now
from segmentation.guidance.lake_state import Access, read_lake_state
from segmentation.guidance.next_steps import headline, next_steps
from segmentation.settings import load_settings


def show_next_steps(commands: Set[str]) -> None:
    """Print them; exit code 1 if there is a lake that can't be read, as of every command that needs it.

    Args:
        commands: The names of the commands that are installed.
    """
    settings = load_settings()
    state = read_lake_state(settings, now=utc_now())
    before = invocation(settings)
    console.print(f"{escape(headline(state))}\n\n[bold]Next:[/]", soft_wrap=True)
    for step in next_steps(state, commands):
        console.print(f"  {escape(before)} [bold cyan]{escape(step.call)}[/]", soft_wrap=True)
        console.print(f"      {escape(step.why)}", soft_wrap=True)
    console.print(f"\n`{escape(before)} --help` lists all commands.", soft_wrap=True)
    if state.access is Access.UNREADABLE:
        raise typer.Exit(1)
