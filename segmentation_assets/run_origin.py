"""Runs that commands start in their own process, listed where the webserver lists those that it starts itself.

The webserver knows which job a run belongs to, and which row of the timeline, by the origin that a run carries. Runs
of a workspace get theirs from the webserver or the daemon; those that are executed in process would have none.
"""

from typing import Any

import dagster as dg

from segmentation_assets.dagster_internals.run_origin import (
    SINGLETON_REPOSITORY_NAME,
    RegisteredCodeLocationOrigin,
    RemoteRepositoryOrigin,
)

LOCATION = "segmentation"
"""The code location's name in every `workspace.yaml` of ours."""


class ListedInstance(dg.DagsterInstance):
    """An instance whose runs of this process are listed under their jobs."""

    def create_run_for_job(self, job_def: dg.JobDefinition, *args: Any, **kwargs: Any) -> dg.DagsterRun:
        """Create a run that comes from our code location, unless it is said to come from another."""
        location = RegisteredCodeLocationOrigin(LOCATION)
        origin = RemoteRepositoryOrigin(location, SINGLETON_REPOSITORY_NAME).get_job_origin(job_def.name)
        return super().create_run_for_job(job_def, *args, **{"remote_job_origin": origin, **kwargs})
