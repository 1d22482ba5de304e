"""A source is a relation: what is asked of files and rules where lines are put together from several records.

Nothing is executed here; that is `staging`.
"""

from segmentation.sources.profiles.contract import NO_LINES, REFUSED_AS
from segmentation.sources.profiles.profile import Carry, Input, Inputs, Profile
from segmentation.sources.readers.files import Lines
from segmentation.warehouse.sql import identifier

# The nearest value above within the order, else the nearest below.
CARRIED = """
coalesce(
    {value},
    last_value({value} IGNORE NULLS) OVER (carried ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW),
    first_value({value} IGNORE NULLS) OVER (carried ROWS BETWEEN CURRENT ROW AND UNBOUNDED FOLLOWING)
)
"""

# From above only: what is below belongs to the next one.
CARRIED_DOWN = "last_value({value} IGNORE NULLS) OVER (carried ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW)"

FILLED_IN = """
SELECT * REPLACE ({columns})
FROM {relation}
WINDOW carried AS (PARTITION BY file_id{order} ORDER BY row_at)
"""

# A line that names no order is one of its own.
OF_ORDER = ", clean_id({by}), CASE WHEN clean_id({by}) IS NULL THEN row_at END"


def inputs_of(profile: Profile) -> Inputs:
    """The inputs of a profile, and where lines may not come together, why they don't."""
    if profile.reader.each is None:
        return profile.inputs
    return profile.inputs | {REFUSED_AS: Input(headers=(REFUSED_AS,), optional=True)}


def refusals(profile: Profile) -> list[tuple[str, str]]:
    """Name and SQL condition of the rules that refuse what has not come together, after the profile's own."""
    reasons = [NO_LINES] if profile.reader.each is not None else []
    return [(reason, f"input.{REFUSED_AS} = '{reason}'") for reason in reasons]


def filled_in(carry: Carry, lines: Lines) -> str:
    """SQL of lines, which have their `row_at`, with what other lines of their order in the file say."""
    values = {
        name: f"CASE WHEN clean_text({identifier(name)}) IS NOT NULL THEN {identifier(name)} END"
        for name in carry.inputs
    }
    form = CARRIED if carry.by else CARRIED_DOWN
    return FILLED_IN.format(
        columns=", ".join(f"{form.format(value=sql)} AS {identifier(name)}" for name, sql in values.items()),
        relation=lines.relation,
        order=OF_ORDER.format(by=identifier(carry.by)) if carry.by else "",
    )
