"""A group of commands that are imported when they are called, not when they are listed. Which ones: see `app`."""

from dataclasses import dataclass
from importlib import import_module
from importlib.util import find_spec
from typing import Any, ClassVar

import typer
from typer.core import TyperCommand, TyperGroup
from typer.main import get_group


@dataclass(frozen=True)
class LazyCommand:
    """What is known of a command without importing it.

    Attributes:
        name: The word that calls it.
        target: Where it is, as `module:attribute`: a function, or a `Typer` with commands of its own.
        help: The first line of its help.
        panel: The part of the group's help that lists it.
        needs: A package without which there is no such command; None if the domain's packages are enough.
    """

    name: str
    target: str
    help: str
    panel: str
    needs: str | None = None

    def is_installed(self) -> bool:
        """Whether its package, and the one that it needs, are there; neither is imported."""
        packages = (self.target.partition(".")[0], self.needs)
        return all(find_spec(package) is not None for package in packages if package)

    def load(self) -> TyperCommand | TyperGroup:
        """Import it."""
        module, _, attribute = self.target.partition(":")
        found = getattr(import_module(module), attribute)
        parent = typer.Typer()
        if isinstance(found, typer.Typer):
            parent.add_typer(found, name=self.name)
        else:
            parent.command(self.name)(found)
        loaded = get_group(parent).commands[self.name]
        if not isinstance(loaded, TyperCommand | TyperGroup):
            raise TypeError(f"{self.target} makes a {type(loaded).__name__}, not a command.")
        loaded.rich_help_panel = self.panel
        _unwrap(loaded)
        return loaded


EXAMPLE = "For example: "
"""What the paragraph of a command's help begins with that shows how to call it."""


class LazyGroup(TyperGroup):
    """Lists its commands by placeholders that only know their help, and imports the one that is called.

    Who calls one with a wrong or a missing value is shown the example in its help.
    """

    lazy_commands: ClassVar[tuple[LazyCommand, ...]] = ()

    def __init__(self, **attributes: Any) -> None:
        super().__init__(**attributes)
        self._unloaded = {command.name: command for command in self.lazy_commands if command.is_installed()}
        for name, command in self._unloaded.items():
            self.add_command(TyperCommand(name, help=command.help, rich_help_panel=command.panel))

    def load(self, name: str) -> None:
        """Put the command of that name in the place of its placeholder."""
        if name in self._unloaded:
            self.add_command(self._unloaded.pop(name).load())

    def load_all(self) -> None:
        """Import all commands, those below them as well, as a page about each of them needs."""
        for name in list(self._unloaded):
            self.load(name)
        for command in self.commands.values():
            if isinstance(command, LazyGroup):
                command.load_all()

    # Typer has no public name for the types of context and result.
    def invoke(self, ctx: Any) -> Any:
        """Run the command that is called."""
        try:
            return super().invoke(ctx)
        except typer.BadParameter as error:
            example = example_of(error.ctx.command.help or "") if error.ctx else None
            if example:
                error.message = f"{error.message}\n{EXAMPLE}{example}".lstrip("\n")
            raise

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        """Find the command that is called."""
        self.load(args[0])
        return super().resolve_command(ctx, args)


def _unwrap(command: TyperCommand | TyperGroup) -> None:
    """Join the lines of each paragraph of the help: a terminal has another width than the code."""
    command.help = "\n\n".join(part.replace("\n", " ") for part in (command.help or "").split("\n\n"))
    for below in command.commands.values() if isinstance(command, TyperGroup) else ():
        if isinstance(below, TyperCommand | TyperGroup):
            _unwrap(below)


def example_of(text: str) -> str | None:
    """The call that a command's help shows, if it shows one."""
    shown = [part.removeprefix(EXAMPLE) for part in text.split("\n\n") if part.startswith(EXAMPLE)]
    return shown[0] if shown else None
