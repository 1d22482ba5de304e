"""A draft profile from the roles of a sample's columns, with a comment or a doubt on all that was guessed."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from segmentation.sources.profiles.contract import CLEANED_BY
from segmentation.sources.suggestion.drafts import Draft, flow, mapping, scalar
from segmentation.sources.suggestion.roles import (
    GUESSED,
    SURE,
    UNFIT,
    UNSURE,
    Role,
    constant_within,
    is_first_line_only,
)
from segmentation.sources.suggestion.samples import Sample
from segmentation.sources.suggestion.table_drafts import add_tables, key_input, needed_links
from segmentation.sources.suggestion.tables import Link, Table
from segmentation.sources.suggestion.values import Facts, date_order, decimal_mark, number_of

INPUT_OF = {
    "order_id": "order_no",
    "customer_id": "customer",
    "line_id": "line_no",
    "product_id": "product",
    "quantity": "pieces",
    "unit_price": "price",
    "amount": "paid",
    "discount": "discount",
    "ordered_at": "ordered",
    "clock": "clock",
    "category": "category",
    "country": "country",
    "channel": "channel",
    "currency": "currency",
    "status": "status",
    "product_name": "label",
}
"""What inputs are called, by role."""

MONEY = ("quantity", "unit_price", "amount", "discount", "refund")
AMOUNT_PRICE_PIECES = ("amount", "unit_price", "quantity")
MONEY_TOLERANCE = 0.011
NO_SALE = re.compile(r"(?i)cancel|void|fail|storn|annul|declin|reject|expired|abandon|cancelad|geannuleerd|annullat")
NOT_YET = re.compile(r"(?i)pend|unpaid|refund|on.?hold|draft|process|authori|return|partial")
MAX_STATUS_VALUES = 12


@dataclass(frozen=True)
class Findings:
    """What a draft is made from.

    Attributes:
        name: Of the profile.
        sample: Where it was seen.
        roles: Column by role.
        timezone: Of times that don't say theirs; None if nobody said.
        lines: The files of the lines, where there are other tables.
        links: How these are joined with them.
    """

    name: str
    sample: Sample
    roles: Mapping[str, Role]
    timezone: str | None
    lines: Table | None = None
    links: tuple[Link, ...] = ()

    def facts(self, role: str) -> Facts | None:
        """The column of a role."""
        return self.roles[role].facts if role in self.roles else None


def draft_of(found: Findings) -> Draft:
    """The draft of a profile."""
    draft = Draft()
    draft.remark(f"A draft for {found.sample.path.name}: look at every line before you rely on it.")
    draft.add(f"name: {found.name}")
    draft.add()
    _add_timezone(draft, found)
    if found.lines is not None:
        draft.add(f"files: {flow([found.lines.files])}", "of the folder; its other files are not lines")
        draft.add()
    _add_reader(draft, found)
    _add_inputs(draft, found)
    add_tables(draft, found.links, _names_of_inputs(found))
    _add_carry(draft, found)
    _add_columns(draft, found)
    _add_rules(draft, found)
    return draft


def is_plain(found: Findings) -> bool:
    """Whether a sample needs nothing said but its columns: no settings, no rules, no signs to be turned."""
    draft = Draft()
    _add_reader(draft, found)
    _add_carry(draft, found)
    _add_rules(draft, found)
    told = [line for line in draft.lines if line and not line.startswith(("reader:", "  delimiter:"))]
    return not told and not _has_refunds(found, inputs_of(found))


def _add_timezone(draft: Draft, found: Findings) -> None:
    moment = found.facts("ordered_at")
    if moment is None or (moment.offsets >= 0.9 and found.timezone is None):
        return
    doubt = (
        ""
        if found.timezone
        else (
            "The times have no offset: which zone are they of? Write it here, as in Europe/Berlin, or give --timezone."
        )
    )
    draft.add(f"timezone: {found.timezone or 'UTC'}", "of times that don't say their offset", doubt)
    draft.add()


def _add_reader(draft: Draft, found: Findings) -> None:
    sample = found.sample
    reader = dict(sample.reader)
    remarks = dict(sample.remarks)
    if not sample.has_header:
        reader["names"] = _names_of_columns(found)
        remarks["names"] = "The file has no header; the columns are told by their values alone. Name them here."
    numbers = [role.facts for name, role in found.roles.items() if name in MONEY]
    if (mark := decimal_mark(numbers)) == ",":
        reader["decimal"] = mark
    _find_dates(reader, remarks, found)
    if not reader:
        return
    draft.add("reader:")
    for key, value in reader.items():
        text = flow(value) if isinstance(value, list) else scalar(value)
        draft.add(f"  {key}: {text}", doubt=remarks.get(key, ""))
    draft.add()


def _find_dates(reader: dict[str, object], remarks: dict[str, str], found: Findings) -> None:
    moment = found.facts("ordered_at")
    if moment is None:
        return
    order, is_open = date_order(moment)
    if order is None:
        return
    if is_open and (reader.get("decimal") == "," or reader.get("delimiter") == ";"):
        order = "day_first"  # where commas are decimal marks, days come first
    reader["dates"] = order
    if is_open:
        remarks["dates"] = f"Dates such as {moment.values[0]} can be read two ways; the other is {_other(order)}."


def _other(order: str) -> str:
    return "month_first" if order == "day_first" else "day_first"


def _names_of_columns(found: Findings) -> list[str]:
    by_header = {role.facts.header: INPUT_OF.get(name, name) for name, role in found.roles.items()}
    return [by_header.get(header, header.replace(" ", "_")) for header in found.sample.headers]


def _add_inputs(draft: Draft, found: Findings) -> None:
    draft.remark("What the file has: a name for expressions, and the header.")
    draft.add("inputs:")
    for role, name in INPUT_OF.items():
        if (chosen := found.roles.get(role)) and role in inputs_of(found) and _is_of_lines(chosen.facts, found):
            header = chosen.facts.header if found.sample.has_header else name
            optional = role in ("category", "country", "channel", "discount") and found.sample.has_header
            value = f"{{headers: {flow([header])}, optional: true}}" if optional else flow([header])
            draft.add(f"  {name}: {value}", doubt=_doubt_of(role, chosen, found.sample.has_header))
    for name, header in _keys_of_lines(found).items():
        draft.add(f"  {name}: {flow([header])}")
    draft.add()


def _is_of_lines(facts: Facts, found: Findings) -> bool:
    return found.lines is None or any(facts is each for each in found.lines.columns)


def _names_of_inputs(found: Findings) -> dict[int, str]:
    return {id(found.roles[role].facts): name for role, name in INPUT_OF.items() if role in inputs_of(found)}


def _keys_of_lines(found: Findings) -> dict[str, str]:
    """Inputs that lines need only to reach other tables."""
    names = _names_of_inputs(found)
    keys: dict[str, str] = {}
    for link in needed_links(found.links, names):
        facts = link.parent.column(link.header)
        if link.parent is found.lines and facts is not None and id(facts) not in names:
            keys[key_input(link.parent, facts, names)] = facts.header
    return keys


def inputs_of(found: Findings) -> set[str]:
    """Roles whose columns a draft reads."""
    used = set(found.roles) & set(INPUT_OF)
    if "discount" in used and found.roles["discount"].certainty < SURE:
        used.discard("discount")  # of the order, or a percentage
    if {"unit_price", "amount"} <= used and not _is_of_line(found):
        used.discard("amount")
    return used


def _is_of_line(found: Findings) -> bool:
    """Whether an amount beside a price and a quantity is their product, on most lines that have all three."""
    amount, price, pieces = map(found.roles.get, AMOUNT_PRICE_PIECES)
    if amount is None or price is None or pieces is None or amount.certainty == SURE:
        return amount is not None and amount.certainty == SURE
    if len({len(role.facts.all_values) for role in (amount, price, pieces)}) > 1:  # of several tables
        return False
    mark = decimal_mark([amount.facts, price.facts])
    lines = zip(amount.facts.all_values, price.facts.all_values, pieces.facts.all_values, strict=True)
    read = [[number_of(text, mark) for text in line] for line in lines]
    known = [(abs(paid), abs(each * count)) for paid, each, count in read if paid and each and count]
    fitting = sum(abs(paid - product) <= MONEY_TOLERANCE for paid, product in known)
    return bool(known) and fitting >= 0.6 * len(known)


def _doubt_of(role: str, chosen: Role, has_header: bool) -> str:
    what = role.replace("_", " ")
    others = f" It could be {' or '.join(chosen.others)} as well." if chosen.others else ""
    if chosen.certainty == GUESSED and has_header:
        return f"{chosen.facts.header} was taken for the {what} by its values alone.{others}"
    if chosen.certainty == UNFIT:
        return f"{chosen.facts.header} is called like the {what}, but not all of its values look like that.{others}"
    if chosen.certainty == UNSURE:
        return f"{chosen.facts.header} was taken for the {what}, which its name alone doesn't say.{others}"
    return others.strip() if role in ("customer_id", "order_id", "ordered_at", "amount") else ""


def _add_carry(draft: Draft, found: Findings) -> None:
    order = found.facts("order_id")
    if order is None:
        return
    roles = [role for role in INPUT_OF if role in inputs_of(found) and role != "order_id"]
    carried = [role for role in roles if is_first_line_only(found.roles[role].facts, order)]
    if carried:
        names = [INPUT_OF[role] for role in carried]
        draft.remark("What stands on an order's first line only holds for its other lines, too.")
        draft.add(f"carry: {mapping({'by': INPUT_OF['order_id'], 'inputs': names})}")
        draft.add()


def _add_columns(draft: Draft, found: Findings) -> None:
    draft.remark("What the platform wants: one SQL expression over the inputs per column.")
    draft.add("columns:")
    used = inputs_of(found)
    for column in CLEANED_BY:
        expression, comment, doubt = _expression(column, found, used)
        if expression:
            draft.add(f"  {column}: {scalar(expression)}", comment, doubt)
    if "product_name" in used and "product_id" in used:
        draft.add()
        draft.add(f"product_name: {INPUT_OF['product_name']}")
    draft.add()


def _expression(column: str, found: Findings, used: set[str]) -> tuple[str, str, str]:
    """SQL of a contract's column, a comment, and a doubt; empty where the draft leaves it out."""
    if column in used:
        return _mapped(column, found, used)
    if column == "order_id":
        parts = f"concat_ws(' ', {INPUT_OF['customer_id']}, {INPUT_OF['ordered_at']})"
        return parts, "", "No column tells orders apart: what a customer buys at one time is taken for one."
    if column == "product_id":
        told = "No column is the product: each line is taken for an order of the product 'order'."
        return ("label", "by its name", "") if "product_name" in used else ("'order'", "", told)
    if column == "quantity":
        return "1", "", "No column counts pieces: each line is taken for one."
    return "", "", ""


def _mapped(column: str, found: Findings, used: set[str]) -> tuple[str, str, str]:
    facts, name = found.roles[column].facts, INPUT_OF[column]
    if column == "customer_id" and facts.emails >= 0.9:
        return f"lower({name})", "addresses differ by case", ""
    if column == "ordered_at" and "clock" in found.roles:
        return "as_timestamp(ordered || ' ' || clock)", "", ""
    if column == "currency" and facts.distinct > 1:
        told = f"There are {facts.distinct} currencies: rates come by SEGMENTATION_EXCHANGE_RATES (docs/sources.md)."
        return name, "", told
    if column in ("amount", "unit_price") and "product_id" in used and _is_of_order(facts, found.facts("order_id")):
        return name, "", f"{facts.header} may be the total of the order, which would count on each of its lines."
    if column == "quantity" and _has_refunds(found, used):
        money = INPUT_OF["amount" if "amount" in used else "unit_price"]
        sign = f"CASE WHEN as_number({money}) < 0 THEN -abs(as_number({name})) ELSE as_number({name}) END"
        return sign, "what was paid back came back", ""
    if column == "unit_price" and _has_refunds(found, used):
        return f"abs(as_number({name}))", "", ""
    return name, "", ""


def _is_of_order(facts: Facts, order: Facts | None) -> bool:
    if order is None:
        return False
    several = len(order.values) - order.distinct
    return several >= 3 and facts.distinct > 1 and constant_within(facts, order) > 0.95


def _has_refunds(found: Findings, used: set[str]) -> bool:
    """Whether some lines have a negative price or amount, and a positive quantity."""
    money, pieces = found.facts("amount" if "amount" in used else "unit_price"), found.facts("quantity")
    if money is None or pieces is None or len(money.all_values) != len(pieces.all_values):
        return False
    mark = decimal_mark([money])
    pairs = zip(money.all_values, pieces.all_values, strict=True)
    return any((number_of(paid, mark) or 0) < 0 < (number_of(count, mark) or 0) for paid, count in pairs)


def _add_rules(draft: Draft, found: Findings) -> None:
    status = found.facts("status")
    if status is None:
        return
    values = list(dict.fromkeys(status.values))
    no_sale = [value for value in values if NO_SALE.search(value)][:MAX_STATUS_VALUES]
    not_yet = [value for value in values if NOT_YET.search(value) and value not in no_sale][:MAX_STATUS_VALUES]
    if not no_sale and not not_yet:
        return
    draft.remark("Why a line is refused. Rules see the columns above, and the inputs as input.status and so on.")
    told = f"The values of {status.header} are {', '.join(values[:MAX_STATUS_VALUES])}: which of them are no sales?"
    if not no_sale:
        draft.remark("rules:")
        draft.remark("  - name: not_sold")
        draft.remark(f"    reject: {scalar(_is_in(not_yet))}", told)
        return
    draft.add("rules:")
    draft.add("  - name: cancelled")
    draft.add(f"    reject: {scalar(_is_in(no_sale))}", doubt=told)
    if not_yet:
        draft.remark("  - name: not_paid")
        draft.remark(f"    reject: {scalar(_is_in(not_yet))}")


def _is_in(values: Sequence[str]) -> str:
    texts = ", ".join("'" + value.lower().replace("'", "''") + "'" for value in values)
    return f"lower(input.status) IN ({texts})"
