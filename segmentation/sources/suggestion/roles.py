"""Which column of a sample is which of the contract: by what it is called, and whether its values can be that."""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import nan

from segmentation.sources.profiles.headers import loosely_folded
from segmentation.sources.profiles.synonyms import AMBIGUOUS, SYNONYMS
from segmentation.sources.suggestion.values import Facts

FURTHER: Mapping[str, tuple[str, ...]] = {
    "currency": ("currency", "currency code", "order currency", "wahrung", "waehrung", "devise", "moneda", "valuta"),
    "status": (
        *("financial status", "order status", "status", "payment status", "order state", "state", "bestellstatus"),
        *("statut", "estado", "stato", "purchase status"),
    ),
    "product_name": (
        *("product name", "item name", "lineitem name", "product title", "item", "title", "description", "name"),
        *("artikelbezeichnung", "bezeichnung", "artikelname", "produktname", "nom du produit", "nombre del producto"),
    ),
    "refund": ("refunded amount", "amount refunded", "refund amount", "refund", "refunded", "erstattung"),
}
"""Roles that are no columns of the contract, or not yet of its synonyms, with spellings of their headers."""

FIRST = ("ordered_at", "order_id", "customer_id", "line_id", "product_id", "quantity", "unit_price", "amount")
THEN = ("discount", "category", "country", "channel", "currency", "status", "refund", "product_name")
"""In which order columns are chosen; between the two, what is needed and has no name that tells it is guessed."""

SURE, UNSURE, GUESSED, UNFIT = 3, 2, 1, 0
"""A header that means one thing; one that may mean another; values alone; a header whose values don't look like it."""

NEEDED = ("ordered_at", "order_id", "customer_id", "product_id", "quantity", "unit_price")
"""Roles that a column with the right name has, whatever its values look like, if no other has it."""

NUMBERED = re.compile(
    r"(?i)(^|[^a-z])(id|nr|no|pos|position|row|line|seq|sequence|sequential|index|number|zip|plz|code)$"
)
"""Ends of names of columns whose numbers count nothing."""

Fit = Callable[[Facts], bool]

FITS: Mapping[str, Fit] = {
    "ordered_at": lambda facts: facts.dates >= 0.9 or facts.is_of_epochs or facts.is_of_serials,
    "order_id": lambda facts: not _is_moment(facts) and (facts.integers >= 0.9 or facts.numbers < 0.9),
    "customer_id": lambda facts: facts.dates < 0.5 and (facts.integers >= 0.9 or facts.numbers < 0.9),
    "line_id": lambda facts: facts.filled == 1 and facts.distinct == len(facts.values),
    "product_id": lambda facts: facts.dates < 0.5 and (facts.integers >= 0.9 or facts.numbers < 0.9),
    "quantity": lambda facts: facts.numbers >= 0.9 and facts.dates < 0.5,
    "unit_price": lambda facts: facts.numbers >= 0.9 and facts.dates < 0.5,
    "amount": lambda facts: facts.numbers >= 0.9 and facts.dates < 0.5,
    "discount": lambda facts: facts.numbers >= 0.9,
    "refund": lambda facts: facts.numbers >= 0.9,
    "currency": lambda facts: facts.currency_codes >= 0.9,
    "category": lambda facts: facts.dates < 0.5 and facts.distinct > 1,
    "country": lambda facts: facts.numbers < 0.5 and facts.dates < 0.5,
    "channel": lambda facts: facts.dates < 0.5 and facts.distinct <= 50,
    "status": lambda facts: facts.numbers < 0.5 and facts.dates < 0.5 and facts.distinct <= 30,
    "product_name": lambda facts: facts.numbers < 0.5 and facts.dates < 0.5,
}


@dataclass(frozen=True)
class Role:
    """A column that was chosen for a role.

    Attributes:
        facts: The column.
        certainty: `SURE`, `UNSURE` or `GUESSED`.
        others: Headers of columns that could be it as well.
    """

    facts: Facts
    certainty: int
    others: tuple[str, ...] = ()


def roles_of(columns: Sequence[Facts]) -> dict[str, Role]:
    """The columns' roles, as far as they can be told; each column has one at most."""
    found: dict[str, Role] = {}
    rest = [facts for facts in columns if facts.values]
    _choose(found, FIRST, rest)
    _guess(found, rest)
    _choose(found, THEN, rest)
    return found


def constant_within(inner: Facts, outer: Facts) -> float:
    """Of the groups of several lines that `outer` makes, the share in which `inner` has one value at most.

    Not a number for columns of two tables.
    """
    if len(inner.all_values) != len(outer.all_values):
        return nan
    groups: dict[str, list[str]] = {}
    for key, value in zip(outer.all_values, inner.all_values, strict=True):
        if key:
            groups.setdefault(key, []).append(value)
    several = [values for values in groups.values() if len(values) > 1]
    return sum(len({*filter(None, values)}) <= 1 for values in several) / len(several) if several else 1.0


def is_first_line_only(facts: Facts, order: Facts) -> bool:
    """Whether a column has values on orders' first lines and nothing on the others."""
    if len(facts.all_values) != len(order.all_values):  # of another table
        return False
    first, others = 0, 0
    before = ""
    for key, value in zip(order.all_values, facts.all_values, strict=True):
        if key and key == before:
            others += bool(value)
        else:
            first += bool(value)
        before = key or before
    repeats = len(order.values) - order.distinct
    # Files that overlap repeat an order's first line where one ends and the next begins.
    are_few = others <= 0.02 * repeats or (others <= 2 and 2 * others < repeats)
    return facts.filled < 1 and first > 0 and repeats > 0 and are_few


def _choose(found: dict[str, Role], roles: Sequence[str], rest: list[Facts]) -> None:
    """Give roles to columns by their names, and take these out of the rest."""
    for role in roles:
        ranked = _ranked(role, rest)
        if ranked:
            (certainty, _), facts = ranked[0]
            others = tuple(each.header for (level, _), each in ranked[1:] if level == certainty)
            found[role] = Role(facts, certainty, others)
            rest.remove(facts)


def _ranked(role: str, columns: Sequence[Facts]) -> list[tuple[tuple[int, float], Facts]]:
    """The columns that can have a role by their names, the likeliest first."""
    found = []
    for facts in columns:
        for level, spellings in ((SURE, SYNONYMS), (SURE, FURTHER), (UNSURE, AMBIGUOUS)):
            if (rank := _rank(facts.header, spellings.get(role, ()))) is not None:
                if (fits := FITS[role](facts)) or (level == SURE and role in NEEDED):
                    found.append(((level if fits else UNFIT, _closeness(facts, rank)), facts))
                break
    return sorted(found, key=lambda each: each[0], reverse=True)


def _closeness(facts: Facts, rank: int) -> float:
    """Which of several columns is the likeliest: what is called unique tells people apart, others their accounts."""
    return facts.filled - rank / 1000 + ("unique" in facts.header.lower())


def _rank(header: str, spellings: Sequence[str]) -> int | None:
    wanted = [loosely_folded(name) for name in _names(header)]
    return next((rank for rank, name in enumerate(spellings) if loosely_folded(name) in wanted), None)


def _names(header: str) -> Iterator[str]:
    """What a column is called: by its header; of a nested value also by the last part, and by whose id it is."""
    *above, last = header.split(".")
    if last.casefold() in ("id", "number", "created", "created_at"):
        yield f"{above[-1].rstrip('s')} {last}" if above else f"order {last}"
    else:
        yield last
    yield header


def _guess(found: dict[str, Role], rest: list[Facts]) -> None:
    """Roles that every profile needs and that no name tells, by values alone."""
    if (order := found.get("order_id")) and order.certainty < SURE and _is_person(order.facts, found):
        rest.append(found.pop("order_id").facts)
    _take(found, "ordered_at", rest, [each for each in rest if each.dates >= 0.9])
    _take(found, "customer_id", rest, [each for each in rest if each.emails >= 0.9] or _ids(rest))
    if "unit_price" not in found and "amount" not in found:
        money = [each for each in rest if each.numbers >= 0.9 and each.integers < 0.9 and each.dates < 0.5]
        _take(found, "unit_price" if "product_id" in found else "amount", rest, money)
    _take(found, "order_id", rest, [each for each in rest if _tells_orders_apart(each, found)])
    _take(found, "quantity", rest, [each for each in rest if each.integers >= 0.9 and _counts(each)])


def _take(found: dict[str, Role], role: str, rest: list[Facts], candidates: Sequence[Facts]) -> None:
    if role in found or not candidates:
        return
    found[role] = Role(candidates[0], GUESSED, tuple(each.header for each in candidates[1:]))
    rest.remove(candidates[0])


def _ids(columns: Sequence[Facts]) -> list[Facts]:
    """Columns that may be ids of customers: there on all lines, some of them repeating."""
    return [
        each
        for each in columns
        if each.filled > 0.9
        and each.dates < 0.5
        and each.distinct > 1
        and (each.has_leading_zeros or (each.integers >= 0.9 and not _counts(each)))
    ]


def _tells_orders_apart(facts: Facts, found: Mapping[str, Role]) -> bool:
    """Whether a column has a value with digits on all lines, and each value one customer and one moment only."""
    if facts.filled < 1 or facts.dates >= 0.5 or (facts.numbers >= 0.9 > facts.integers):
        return False
    if not all(any(char.isdigit() for char in text) and " " not in text for text in facts.values):
        return False
    known = [found[role].facts for role in ("customer_id", "ordered_at") if role in found]
    is_own = all(facts.distinct >= each.distinct and constant_within(each, facts) == 1 for each in known)
    return is_own and not _counts(facts) and len(known) == 2


def _counts(facts: Facts) -> bool:
    if NUMBERED.search(facts.header) or _rank(facts.header, SYNONYMS["line_id"]) is not None:
        return False
    return 0 < facts.middle <= 50 and not facts.has_leading_zeros and facts.distinct <= 200


def _is_moment(facts: Facts) -> bool:
    return facts.dates >= 0.9 and (facts.clocks > 0 or facts.integers < 0.9)


def _is_person(facts: Facts, found: Mapping[str, Role]) -> bool:
    """Whether what may be an order has several days, as customers have."""
    day = found.get("ordered_at")
    return day is not None and constant_within(day.facts, facts) < 0.5
