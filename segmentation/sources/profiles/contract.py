"""The transaction contract as a profile sees it: what may be mapped, how it is cleaned, and what is always refused.

The columns themselves are declared in `segmentation.metadata.tables.raw`. How lines are validated is in `validation`.
"""

CLEANED_BY = {
    "line_id": "clean_id",
    "order_id": "clean_id",
    "customer_id": "clean_id",
    "product_id": "clean_id",
    "category": "clean_text",
    "quantity": "as_number",
    "unit_price": "as_number",
    "amount": "as_number",
    "discount": "as_number",
    "ordered_at": "utc",
    "country": "clean_text",
    "channel": "clean_text",
    "currency": "clean_currency",
}
"""Per column that a profile may map: the macro (macros.sql) that brings its expression to the contract's type."""

CONTRACT_COLUMNS = (*CLEANED_BY, "exchange_rate")
"""The columns of a validated line; the rate by which its money was converted is no source's business."""

REQUIRED = ("order_id", "customer_id", "product_id", "quantity", "ordered_at")
"""Columns that every profile maps; beside them, it maps `unit_price` or `amount`."""

PRODUCT_CLEANED_BY = {
    "product_id": "clean_id",
    "product_name": "clean_text",
    "category": "clean_text",
    "department": "clean_text",
    "brand": "clean_text",
}
"""The same for the columns of a product list."""

IMPLAUSIBLE_DATE = "implausible_date"
"""Reason for a line whose date can be read, but is before `SEGMENTATION_EARLIEST_DAY` or more than a day ahead."""

NO_EXCHANGE_RATE = "no_exchange_rate"
"""Reason for a line in another currency than the reporting one, of a day without a rate."""

GENERIC_RULES = (
    ("missing_order", "order_id IS NULL"),
    ("missing_customer", "customer_id IS NULL"),
    ("missing_product", "product_id IS NULL"),
    ("nul_in_customer", "contains(customer_id, chr(0))"),  # nobody could look for them
    (IMPLAUSIBLE_DATE, "ordered_at IS NULL AND is_dated"),
    ("unparsable_date", "ordered_at IS NULL"),
    ("unknown_currency", "NOT regexp_full_match(currency, '[A-Z]{3}')"),
    (NO_EXCHANGE_RATE, "lacks_exchange_rate"),
    ("missing_quantity", "quantity IS NULL"),
    ("zero_quantity", "quantity = 0 AND NOT coalesce(amount < 0, false)"),
    ("missing_price", "unit_price IS NULL OR amount IS NULL"),
    (
        "not_finite",
        "NOT (isfinite(quantity) AND isfinite(unit_price) AND isfinite(amount) AND isfinite(discount))",
    ),
    ("negative_price", "unit_price < 0"),
    ("sign_mismatch", "amount * quantity < 0"),
    ("quantity_out_of_range", "abs(quantity) >= 1e11"),
    ("amount_out_of_range", "greatest(abs(amount), abs(discount)) >= 1e11"),
)
"""Name and SQL condition of the rules that follow a profile's own, in order. What passes them fits the contract."""

DELIVERED_RULES = (
    ("missing_line_id", "NOT has_own_id"),
    *GENERIC_RULES,
    ("nul_in_text", "contains(concat(line_id, order_id, customer_id, product_id, category, country, channel), chr(0))"),
)
"""The same for lines that are delivered rather than read from files: repeats are told by their id alone, and a
catalogue can't hold a NUL."""

LINE_ID_OF_ANOTHER_SOURCE = "line_id_of_another_source"
"""Reason for a delivered line whose `line_id` another source has."""

MALFORMED_LINE = "malformed_line"
"""Reason for a line of a text file that can't be split into fields, or a message that can't be decoded."""

DUPLICATE_LINE_ID = "duplicate_line_id"
"""Reason for a second line of the same day with the same `line_id`, where the source gives one."""

REPEATED_IN_OTHER_FILE = "repeated_in_other_file"
"""Reason for a line that another file of the source has as well, where the source gives no ids: exports overlap, and a
line counts as often as the file has it that has it most often."""

NO_LINES = "no_lines"
"""Reason for a record of a JSON file whose list of lines is empty or missing."""

UNMATCHED = "unmatched_{table}"
"""Reason for a line that names a row of a table which the table hasn't."""

UNMATCHED_ROW = "unmatched_row"
"""Reason for a row of a table that no line names."""

REFUSED_AS = "refused_as"
"""Name of what `input` has beside a profile's inputs where lines are put together from several records: the reason for
which that was not possible, NULL where it was."""
