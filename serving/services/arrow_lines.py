"""Order lines that are pushed as an Arrow IPC stream: the columns that the profile uses, as records.

A cell that has no value in Python, such as a date in the year 300000, is None, and its line will be refused: by the
contract where the column has to be there, and as a malformed line otherwise. Other columns aren't even decoded.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from http import HTTPStatus

import numpy as np
import pyarrow as pa

from segmentation.sources.incremental.deliveries import Malformed
from segmentation.sources.profiles.contract import REQUIRED
from segmentation.sources.profiles.headers import folded
from segmentation.sources.profiles.profile import Profile
from segmentation.sources.readers.records import Record, as_json
from serving.api.bodies import shortened
from serving.api.limits import too_large
from serving.api.problems import ProblemError
from serving.services import arrow
from serving.services.arrow_values import ExpandedTooFarError, Expansion, Mask, UnusableTypeError, Values, values_of

ROWS_SETTING, BYTES_SETTING = "SEGMENTATION_MAX_ROWS", "SEGMENTATION_MAX_ARROW_BYTES"

CALLED: tuple[tuple[Callable[[pa.DataType], bool], str], ...] = (
    (pa.types.is_null, ""),
    (pa.types.is_boolean, "boolean"),
    (pa.types.is_integer, "number"),
    (pa.types.is_floating, "number"),
    (pa.types.is_string, "text"),
    (pa.types.is_large_string, "text"),
    (pa.types.is_string_view, "text"),
    (pa.types.is_timestamp, "datetime"),
    (pa.types.is_date, "date"),
    (pa.types.is_time, "time"),
    (pa.types.is_duration, "timedelta"),
    (pa.types.is_interval, "MonthDayNano"),
    (pa.types.is_decimal, "Decimal"),
    (pa.types.is_struct, "object"),
    (pa.types.is_nested, "list"),
)
"""What values of a type are called in JSON or Python; as columns that are used are, by their values."""


@dataclass(frozen=True)
class ArrowLines:
    """Lines of a stream.

    Attributes:
        records: One for each row.
        unused_columns: Type by column of those that aren't in the records.
    """

    records: Sequence[Record | Malformed]
    unused_columns: Mapping[str, str]


def read_lines(body: bytes, profile: Profile, max_rows: int, max_bytes: int) -> ArrowLines:
    """The lines of a stream.

    Args:
        body: The stream.
        profile: Says which columns are used.
        max_rows: Most lines that it may have.
        max_bytes: Bytes that values may come to which are stored once and used often.

    Raises:
        ProblemError: It is no such stream, is empty, or has a column that no line can have (400); it has too many
            lines, or they come to too many bytes (413).
    """
    with arrow.stream_errors():
        schema = arrow.schema_of(body)
        headers = {folded(header) for entry in profile.inputs.values() for header in entry.headers}
        used = [index for index, name in enumerate(schema.names) if folded(name) in headers]
        _refuse_repeated([schema.names[index] for index in used])
        decoded = used or list(range(min(1, len(schema))))  # of no columns at all, Arrow would decode all
        batches = arrow.batches_of(body, decoded, max_rows, "transactions", ROWS_SETTING)
        expansion = Expansion(max_bytes)
        records: list[Record | Malformed] = []
        for batch in batches:
            try:
                records += _records(batch if used else batch.select([]), profile, expansion)
            except ExpandedTooFarError as error:
                raise too_large(max_bytes, BYTES_SETTING) from error
    return ArrowLines(records, _watched(schema, set(used)))


def _records(batch: pa.RecordBatch, profile: Profile, expansion: Expansion) -> list[Record | Malformed]:
    columns = {name: _column(name, batch.column(name), expansion) for name in batch.schema.names}
    is_malformed: Mask = np.zeros(batch.num_rows, np.bool_)
    told = _told_by_the_contract(profile)
    for name, values in columns.items():
        if folded(name) not in told:
            is_malformed |= values.is_lost
    if not columns:  # nothing that a line needs
        return [{} for _ in range(batch.num_rows)]
    rows = zip(*(values.cells for values in columns.values()), strict=True)
    records = [dict(zip(columns, row, strict=True)) for row in rows]
    return [
        Malformed(as_json(record)) if malformed else record
        for record, malformed in zip(records, is_malformed.tolist(), strict=True)
    ]


def _column(name: str, array: pa.Array, expansion: Expansion) -> Values:
    try:
        return values_of(array, expansion)
    except UnusableTypeError as error:
        detail = f"Column {shortened(name)!r} is of type {shortened(str(array.type))}; send text, numbers or times."
        raise ProblemError(HTTPStatus.BAD_REQUEST, "invalid-request", detail) from error


def _told_by_the_contract(profile: Profile) -> set[str]:
    """Headers that no line may lack, whose lack is a reason of its own: required columns that are taken as they are."""
    as_they_are = [profile.columns[name] for name in REQUIRED if profile.columns.get(name) in profile.inputs]
    return {folded(profile.inputs[name].headers[0]) for name in as_they_are if len(profile.inputs[name].headers) == 1}


def _refuse_repeated(names: Sequence[str]) -> None:
    if twice := next((name for name in names if names.count(name) > 1), None):
        raise ProblemError(HTTPStatus.BAD_REQUEST, "invalid-request", f"Column {shortened(twice)!r} occurs twice.")


def _watched(schema: pa.Schema, used: Collection[int]) -> dict[str, str]:
    """Columns that aren't used, by what values of their types are called where sources are watched for new columns."""
    unused = {field.name: _called(field.type) for index, field in enumerate(schema) if index not in used}
    return {name: called for name, called in unused.items() if called}


def _called(kind: pa.DataType) -> str:
    if isinstance(kind, pa.BaseExtensionType):
        return _called(kind.storage_type)
    if pa.types.is_dictionary(kind) or pa.types.is_run_end_encoded(kind):
        return _called(kind.value_type)
    return next((called for is_kind, called in CALLED if is_kind(kind)), "bytes")
