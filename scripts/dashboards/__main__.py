"""The command line: writes the dashboards, or compares them with what the code says."""

from typing import Annotated

import typer

from scripts.dashboards.files import COMMAND, FOLDER, behind, texts


def main(
    check: Annotated[bool, typer.Option("--check", help="Write nothing; exit 1 if a dashboard is behind.")] = False,
) -> None:
    """Write Grafana's dashboards from the code."""
    late = behind()
    for name in late:
        typer.echo(f"{FOLDER.name}/{name} is behind; run {COMMAND}" if check else f"{FOLDER.name}/{name}")
    if check and late:
        raise typer.Exit(1)
    if not check:
        _write(late)


def _write(late: list[str]) -> None:
    FOLDER.mkdir(parents=True, exist_ok=True)
    written = texts()
    for name in late:
        if name in written:
            (FOLDER / name).write_text(written[name], encoding="utf-8")
        else:
            (FOLDER / name).unlink()


if __name__ == "__main__":
    typer.run(main)
