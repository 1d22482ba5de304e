"""What `materialize` does, and what people are told of it beforehand."""

from segmentation.clock import utc_now
from segmentation.guidance.lake_state import read_lake_state
from segmentation.settings import Settings
from segmentation_assets.cli.steps import newest_as_of
from segmentation_assets_tests.assets.conftest import AS_OF, Graph


def test_the_date_that_is_due_is_the_one_that_materialize_would_make(loaded: Graph, settings: Settings) -> None:
    due = read_lake_state(settings, now=utc_now()).due_as_of
    assert str(due) == newest_as_of(settings) == AS_OF
