"""Where runs come from: without it the webserver lists a run under no job and shows it on no timeline.

`RegisteredCodeLocationOrigin`, `RemoteRepositoryOrigin`: what an origin is made of. If they change, runs from the
command line are made without one, or not at all; `test_demo` looks for them under their jobs.

`SINGLETON_REPOSITORY_NAME`: the repository of a code location that is made of `Definitions`. If it changes, the
webserver doesn't find these runs under their jobs.
"""

from dagster._core.definitions.repository_definition.valid_definitions import SINGLETON_REPOSITORY_NAME
from dagster._core.remote_origin import RegisteredCodeLocationOrigin, RemoteRepositoryOrigin

__all__ = ["SINGLETON_REPOSITORY_NAME", "RegisteredCodeLocationOrigin", "RemoteRepositoryOrigin"]
