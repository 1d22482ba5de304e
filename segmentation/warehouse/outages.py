"""Outages: what errors of DuckDB mean when an object store or the database of the catalogue is out of reach."""

from segmentation.warehouse.lake import without_password
from segmentation.warehouse.object_stores import meaning_of

LOST_CATALOGUE = (
    "server closed the connection unexpectedly",
    "terminating connection due to",
    "Unable to connect to Postgres",
    "the database system is starting up",
    "the database system is shutting down",
    "no connection to the server",
    "SSL connection has been closed unexpectedly",
)
"""What DuckDB quotes of PostgreSQL when it goes, is gone, or comes back."""


def words_for_people(message: str) -> str | None:
    """What an error's message means and what to do; None if it is about something else.

    Passwords of the address that it may quote are left out.
    """
    sign = next((each for each in LOST_CATALOGUE if each in message), None)
    if sign is not None:
        line = next(line for line in message.splitlines() if sign in line)
        return (
            "The database of the lake's catalogue has gone meanwhile, or can't be reached: "
            f"{without_password(line[line.index(sign) :])}. Nothing half-written is in the lake; check that the "
            "database is up (`segmentation doctor`), and run it again."
        )
    meaning = meaning_of(message)
    return f"Can't read from object storage: {meaning}; `segmentation doctor` tries it out." if meaning else None
