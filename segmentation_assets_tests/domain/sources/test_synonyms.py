"""What shops call their columns, and how headers are compared."""

from itertools import combinations

import pytest

from segmentation.sources.profiles.contract import CLEANED_BY
from segmentation.sources.profiles.headers import folded, loosely_folded
from segmentation.sources.profiles.synonyms import AMBIGUOUS, SYNONYMS, column_of


def test_every_column_that_profiles_map_has_spellings_and_no_other_has() -> None:
    assert set(SYNONYMS) == set(CLEANED_BY)
    assert set(AMBIGUOUS) <= set(CLEANED_BY)


@pytest.mark.parametrize("spellings", [SYNONYMS, AMBIGUOUS])
def test_no_spelling_means_two_columns(spellings: dict[str, tuple[str, ...]]) -> None:
    for (one, names), (other, others) in combinations(spellings.items(), 2):
        assert not set(map(loosely_folded, names)) & set(map(loosely_folded, others)), (one, other)


def test_what_is_ambiguous_is_never_used_unasked() -> None:
    sure = {loosely_folded(name) for names in SYNONYMS.values() for name in names}
    assert not sure & {loosely_folded(name) for names in AMBIGUOUS.values() for name in names}


@pytest.mark.parametrize(
    ("header", "column"),
    [
        ("Order-ID", "order_id"),
        ("orderId", "order_id"),
        ("Order #", "order_id"),
        ("Bestell-Nr.", "order_id"),
        ("N° commande", "order_id"),
        ("Número de pedido", "order_id"),
        ("Nº pedido", "order_id"),
        ("numero dell'ordine", "order_id"),
        ("Bestelnummer", "order_id"),
        ("Kundennummer", "customer_id"),
        ("Code client", "customer_id"),
        ("E-Mail", "customer_id"),
        ("Artikelnr.", "product_id"),
        ("Réf. produit", "product_id"),
        ("Stückzahl", "quantity"),
        ("Qté", "quantity"),
        ("Quantità", "quantity"),
        ("Preço unitário", "unit_price"),
        ("Date", "ordered_at"),
        ("Order", None),
        ("Total", None),
        ("Customer", None),
        ("Betrag", None),
    ],
)
def test_headers_are_known_in_seven_languages(header: str, column: str | None) -> None:
    assert column_of(header) == column


@pytest.mark.parametrize(
    "header",
    ["order id", " Order ID ", "Order\u00a0ID", "ORDER\nID", '"order id"', "\ufefforder id", "or\u200bder  id"],
)
def test_headers_are_the_same_without_what_nobody_sees(header: str) -> None:
    assert folded(header) == "order id"


def test_an_underscore_can_be_seen() -> None:
    assert folded("order_id") != folded("order id")
