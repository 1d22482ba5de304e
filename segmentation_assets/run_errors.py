"""Why a step failed: the error of ours inside what Dagster wraps around it."""

import re

from dagster_shared.error import SerializableErrorInfo

from segmentation import errors
from segmentation.failures import meaning_of_text
from segmentation.warehouse import outages

DOMAIN_ERRORS = {name for name, value in vars(errors).items() if isinstance(value, type)}
LAKE_ERRORS = {"Error", "HTTPException", "IOException", "TransactionException"}
"""DuckDB's, of which some come from an object store or the catalogue's database."""

QUOTED = re.compile(r"'[^']*'|\"[^\"]*\"")


def root_cause(info: SerializableErrorInfo) -> str:
    """The message for people; of an error that isn't one of ours, everything that is known of it."""
    return words_for_people(info) or info.to_string()


def brief_cause(info: SerializableErrorInfo) -> str:
    """The message for people; of another error its last cause, without what that quotes: it may be a customer's row."""
    return words_for_people(info) or QUOTED.sub("'…'", _chain(info)[-1].message.strip().split("\n")[0])


def words_for_people(info: SerializableErrorInfo) -> str | None:
    """The message of the outermost error that was made for people, or what a disk or catalogue at fault means."""
    for cause in _chain(info):
        if cause.cls_name in DOMAIN_ERRORS:
            return cause.message.partition(": ")[2].strip()
        if cause.cls_name in LAKE_ERRORS and (words := outages.words_for_people(cause.message)):
            return words
    told = (meaning_of_text(cause.message) for cause in _chain(info))
    return next((f"{meaning[0].upper()}{meaning[1:]}." for meaning in told if meaning), None)


def _chain(info: SerializableErrorInfo) -> list[SerializableErrorInfo]:
    """An error and what caused it, outermost first."""
    causes = [info]
    while causes[-1].cause:
        causes.append(causes[-1].cause)
    return causes
