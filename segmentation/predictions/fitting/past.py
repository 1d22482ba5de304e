"""What was known and what followed at past dates, each computed once; nothing after a date is ever looked at."""

from dataclasses import dataclass, field
from datetime import date, timedelta

from segmentation.predictions.purchases import Followed, Known, Purchases

YOUNGEST_DAYS = 30.0
"""There have to have been orders for so long before a date that something is learned at."""

STEP_DAYS = 30


@dataclass
class Past:
    """Purchases, with a memory."""

    purchases: Purchases
    _known: dict[date, Known] = field(default_factory=dict)
    _followed: dict[tuple[date, int], Followed] = field(default_factory=dict)

    def known(self, as_of: date) -> Known:
        """As `Purchases.known`."""
        if as_of not in self._known:
            self._known[as_of] = self.purchases.known(as_of)
        return self._known[as_of]

    def followed(self, as_of: date, days: int) -> Followed:
        """What the customers known at a date did in the `days` from then on."""
        if (as_of, days) not in self._followed:
            self._followed[as_of, days] = self.purchases.followed(as_of, days, self.known(as_of).customers)
        return self._followed[as_of, days]

    def is_grown(self, as_of: date, age: float = YOUNGEST_DAYS) -> bool:
        """Whether there had been orders for long enough to learn something at a date, and there are customers."""
        return self.purchases.age(as_of) >= age and len(self.known(as_of).customers) > 0

    def ended(self, as_of: date, days: int, most: int, age: float = YOUNGEST_DAYS) -> list[date]:
        """Dates at which something can be learned, whose next `days` have ended by `as_of`; the newest first."""
        dates = [as_of - timedelta(days=days + STEP_DAYS * number) for number in range(most)]
        return [each for each in dates if self.is_grown(each, age)]
