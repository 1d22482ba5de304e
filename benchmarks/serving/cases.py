"""What the servers are asked: how many customers at once, in which form, over how many connections."""

from dataclasses import dataclass

from benchmarks.serving.contenders import OURS, Contender
from benchmarks.serving.wire import ARROW, JSON

BULK = 10_000
HUGE = 1_000_000


@dataclass(frozen=True)
class Case:
    """One kind of load.

    Attributes:
        name: What it is called.
        batch: Customers in a request.
        media_type: Of request and answer.
        connections: How many send at once when throughput and CPU are measured; latency is that of one alone.
        beside: Customers in the requests that another connection sends all the while; 0 if there is none. Then, and in
            the case that such a one is compared with, there is only latency.
        every: In how many rounds there is one of it; requests that take long would make rounds long.
        is_ours_alone: Whether others don't take part although they could.
    """

    name: str
    batch: int
    media_type: str = JSON
    connections: int = 0
    beside: int = 0
    every: int = 1
    is_ours_alone: bool = False

    def is_for(self, contender: Contender) -> bool:
        """Whether a contender takes part."""
        return (
            self.media_type in contender.wires
            and (contender.batches is None or self.batch in contender.batches)
            and (not self.is_ours_alone or contender.name == OURS)
        )


ONE = Case("1", 1, connections=8)
HUNDRED = Case("100", 100, connections=8)
MANY = Case("10,000", BULK, connections=2, every=2)
MANY_IN_ARROW = Case("10,000 Arrow", BULK, ARROW, connections=2, every=2)
HUGE_IN_ARROW = Case("1,000,000 Arrow", HUGE, ARROW, connections=1, every=3)
ALONE = Case("mixed: 1, alone", 1, is_ours_alone=True)
BESIDE = Case("mixed: 1, beside 10,000", 1, beside=BULK, is_ours_alone=True)
CASES = (ONE, HUNDRED, MANY, MANY_IN_ARROW, HUGE_IN_ARROW, ALONE, BESIDE)
