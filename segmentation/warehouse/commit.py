"""Where a snapshot came from: the message that every commit to the lake carries."""

import json
from dataclasses import dataclass, field

import duckdb

from segmentation.provenance import git_commit


@dataclass(frozen=True)
class Commit:
    """What a commit says about itself.

    Attributes:
        message: One line for people, such as `raw/transactions 2024-01-01…2024-12-31`.
        asset: The asset key that wrote, or the command.
        partition: The partition or range that was written, if any.
        run_id: The Dagster run, if any.
        asked_by: Who asked for it: a person's command, a schedule, a sensor.
        is_request: Whether they asked for the very date of a snapshot.
        details: Anything else worth keeping, as plain JSON values.
    """

    message: str
    asset: str = ""
    partition: str = ""
    run_id: str = ""
    asked_by: str = ""
    is_request: bool = False
    details: dict[str, object] = field(default_factory=dict)

    def attach(self, con: duckdb.DuckDBPyConnection, catalog: str, author: str) -> None:
        """Give the transaction that is open on `con` this commit's message."""
        facts = {
            "asset": self.asset,
            "partition": self.partition,
            "run_id": self.run_id,
            "asked_by": self.asked_by,
            "git_commit": git_commit(),
            **self.details,
        }
        extra = json.dumps({k: v for k, v in facts.items() if v not in ("", None)}, sort_keys=True)
        con.execute(
            f"CALL ducklake_set_commit_message('{catalog}', $author, $message, extra_info => $extra)",
            {"author": author, "message": self.message, "extra": extra},
        )
