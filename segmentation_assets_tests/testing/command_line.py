"""Words that call a command, parsed as the command line does, but not run."""

from typer.core import TyperGroup

HELP = {"-h", "--help"}


def parse(tree: TyperGroup, words: list[str]) -> list[str]:
    """The command that words call, parsed with its options and values but not run.

    Raises:
        Exception: Typer's, if there is no such command or option, or a value doesn't fit.
    """
    group, path, rest = tree, ["segmentation"], [word for word in words if word not in HELP]
    while rest:
        context = group.make_context(path[-1], rest)
        if not context._protected_args:
            break
        name, command, rest = group.resolve_command(context, [*context._protected_args, *context.args])
        assert name is not None
        assert command is not None
        path.append(name)
        if not isinstance(command, TyperGroup):
            # A command that is only named may lack what it needs; one that is shown may not.
            command.make_context(name, rest, parent=context, resilient_parsing=not rest)
            break
        group = command
    return path
