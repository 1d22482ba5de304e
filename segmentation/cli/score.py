"""The command `score`: a file of features in, a file of segments out. Only reads the lake."""

from pathlib import Path
from typing import Annotated, Any

import polars as pl
import typer
from rich.markup import escape

from segmentation.cli.output import console
from segmentation.errors import SegmentationError
from segmentation.modeling import registry
from segmentation.segments.scoring import score_frame
from segmentation.settings import load_settings
from segmentation.spreadsheets import write_safe_csv
from segmentation.warehouse import Lake

READERS: dict[str, Any] = {
    ".csv": pl.read_csv,
    ".parquet": pl.read_parquet,
    ".jsonl": pl.read_ndjson,
    ".arrow": pl.read_ipc,
    ".arrows": pl.read_ipc_stream,
}
WRITERS: dict[str, Any] = {
    ".csv": pl.DataFrame.write_csv,
    ".parquet": pl.DataFrame.write_parquet,
    ".jsonl": pl.DataFrame.write_ndjson,
    ".arrow": pl.DataFrame.write_ipc,
    ".arrows": pl.DataFrame.write_ipc_stream,
}
KINDS = ", ".join(READERS)


def score(
    file: Annotated[Path, typer.Argument(help=f"A column per feature, and perhaps `customer_id`: {KINDS}.")],
    output: Annotated[Path, typer.Option("--output", "-o", help=f"Where the segments go: {KINDS}.")],
    model: Annotated[str, typer.Option(help="A version number, or an alias.")] = "champion",
    safe_for_spreadsheets: Annotated[
        bool, typer.Option(help="In CSV, texts that a spreadsheet would run begin with a '.")
    ] = True,
) -> None:
    """Score a file of customers' features.

    For example: segmentation score customers.parquet -o segments.parquet
    """
    read, write = (_by_suffix(known, path) for known, path in ((READERS, file), (WRITERS, output)))
    with Lake(load_settings(), read_only=True) as lake, lake.cursor() as con:
        version = registry.load(con, registry.number_of(con, model))
    try:
        frame = read(file)
    except (OSError, pl.exceptions.PolarsError) as error:
        raise SegmentationError(f"Can't read {file}: {error}") from error
    if safe_for_spreadsheets and output.suffix.lower() == ".csv":
        write = _write_safe_csv
    scores = score_frame(frame, version)
    draft = output.with_name(f".{output.name}.draft")
    try:
        write(scores, draft)
        draft.replace(output)
    except OSError as error:
        raise SegmentationError(f"Can't write {output}: {error}") from error
    finally:
        draft.unlink(missing_ok=True)
    console.print(f"{scores.height:,} customers, by model {version.version} → {escape(str(output))}")


def _write_safe_csv(frame: pl.DataFrame, path: Path) -> None:
    path.write_text(write_safe_csv(frame), encoding="utf-8")


def _by_suffix(known: dict[str, Any], path: Path) -> Any:
    if path.suffix.lower() not in known:
        raise SegmentationError(f"{path.name} is of no kind that is known here: {KINDS}.")
    return known[path.suffix.lower()]
