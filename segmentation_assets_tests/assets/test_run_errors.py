"""What people are told of a step that failed because of the machine."""

from dagster_shared.error import SerializableErrorInfo

from segmentation_assets.run_errors import brief_cause, root_cause


def test_a_step_on_a_full_disk_says_so_without_a_traceback() -> None:
    says = '_duckdb.IOException: IO Error: Could not write file "/x/y.parquet": No space left on device\n'
    cause = SerializableErrorInfo(says, ["  File x\n"], "IOException")
    info = SerializableErrorInfo("Error occurred while executing op\n", ["  File y\n"], "ExecutionError", cause)
    for told in (root_cause(info), brief_cause(info)):
        assert told.startswith("There is no space left on the disk. What was committed before is in the lake")
        assert "Stack" not in told
        assert "File x" not in told
