"""A client of the scorer for other services: typed methods over HTTP, without DuckDB and without Litestar.

It needs the extra `client`; docs/client.md shows how to use it.
"""

from serving.client.blocking import ScorerClient
from serving.client.coroutines import AsyncScorerClient
from serving.client.outcomes import ScorerError

__all__ = ["AsyncScorerClient", "ScorerClient", "ScorerError"]
