"""Independent random streams, one per purpose and chunk of customers.

Each purpose draws from a stream of its own, in the order of the customers. So a chunk can be made alone, and
asking for fewer customers takes a prefix of every stream: the customers made are the same ones.
"""

from dataclasses import dataclass
from zlib import crc32

import numpy as np


@dataclass(frozen=True)
class Streams:
    """A family of random streams.

    Attributes:
        seed: The seed of the whole shop, not negative.
        chunk: Number of the chunk of customers; None for what all chunks share.
    """

    seed: int
    chunk: int | None = None

    def of(self, purpose: str) -> np.random.Generator:
        """Return a fresh generator for a purpose; take all of its draws from one call."""
        scope = () if self.chunk is None else (self.chunk,)
        spawn_key = (crc32(purpose.encode()), *scope)
        return np.random.default_rng(np.random.SeedSequence(self.seed, spawn_key=spawn_key))
