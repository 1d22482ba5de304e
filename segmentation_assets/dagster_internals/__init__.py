"""What the code location needs of Dagster that Dagster doesn't publish: the only place that imports `dagster._…`.

Such names may move or change with any release of Dagster, so each stands here beside why it is needed and what breaks
without it. Nothing is wrapped and nothing decided here. Three modules, so that each user pays for its own imports:
names cost nothing, the storage brings SQLAlchemy and Alembic.
"""
