"""Which dashboards there are, and the files that they are written to."""

import json
from collections.abc import Sequence
from pathlib import Path

from grafana_foundation_sdk.cog.encoder import JSONEncoder

from scripts.dashboards import data, model, pipeline, service
from scripts.dashboards.assembly import Board, assemble

FOLDER = Path(__file__).parents[2] / "deploy" / "grafana" / "dashboards"
COMMAND = "python -m scripts.dashboards"


def boards() -> list[Board]:
    """What every dashboard shows, made anew: the SDK's builders are changed when a dashboard is put together."""
    return [service.board(), pipeline.board(), data.board(), model.board()]


def texts() -> dict[str, str]:
    """Every dashboard as JSON, by file name: the same code gives the same bytes."""
    made = boards()
    return {f"{board.uid}.json": _text(board, made) for board in made}


def behind(folder: Path = FOLDER) -> list[str]:
    """Names of the files that differ from what the code says, or that no dashboard belongs to."""
    wanted = texts()
    there = {path.name: path.read_text(encoding="utf-8") for path in folder.glob("*.json")}
    return sorted(name for name in wanted.keys() | there.keys() if wanted.get(name) != there.get(name))


def _text(board: Board, others: Sequence[Board]) -> str:
    dashboard = assemble(board, others)
    return json.dumps(dashboard, cls=JSONEncoder, indent=2, sort_keys=True, ensure_ascii=False) + "\n"
