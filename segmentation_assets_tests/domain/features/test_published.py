from pathlib import Path

from benchmarks.features.data import END
from benchmarks.published import lifetimes, read_shop
from segmentation.settings import Settings
from segmentation.warehouse import Lake


def test_features_turn_into_what_lifetimes_computes(shop_home: Path) -> None:
    with Lake(Settings(home=shop_home, customer_buckets=4, threads=1, lookback_days=None), read_only=True) as lake:
        checks = list(lifetimes(read_shop(lake, "a synthetic shop", END)))
    definitions = {check.term for check in checks if check.is_definition}
    assert definitions == {"frequency", "recency", "T", "monetary_value"}
    assert [check for check in checks if not check.holds] == []
