"""A synthetic online shop: reproducible transactions, products and customers of known archetypes.

For demonstrations, tests and benchmarks. What reads or loads the files it writes lives elsewhere.
"""

from segmentation.synthetic.archetypes import ARCHETYPES, Archetype
from segmentation.synthetic.shop import SyntheticFiles, SyntheticShop, generate, write
from segmentation.synthetic.variation import Promotion, Variation

__all__ = ["ARCHETYPES", "Archetype", "Promotion", "SyntheticFiles", "SyntheticShop", "Variation", "generate", "write"]
