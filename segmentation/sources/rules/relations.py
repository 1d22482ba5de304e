"""A source is a relation: what is asked of files and rules where lines are put together from several records.

Nothing is executed here; that is `staging`.
"""

from segmentation.sources.profiles.contract import NO_LINES, REFUSED_AS
from segmentation.sources.profiles.profile import Input, Inputs, Profile


def inputs_of(profile: Profile) -> Inputs:
    """The inputs of a profile, and where lines may not come together, why they don't."""
    if profile.reader.each is None:
        return profile.inputs
    return profile.inputs | {REFUSED_AS: Input(headers=(REFUSED_AS,), optional=True)}


def refusals(profile: Profile) -> list[tuple[str, str]]:
    """Name and SQL condition of the rules that refuse what has not come together, after the profile's own."""
    reasons = [NO_LINES] if profile.reader.each is not None else []
    return [(reason, f"input.{REFUSED_AS} = '{reason}'") for reason in reasons]
