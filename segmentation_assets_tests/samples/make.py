"""Write the samples: `python -m segmentation_assets_tests.samples.make [FOLDER]`. The same orders in every layout."""

import csv
import json
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

from segmentation_assets_tests.samples.made_up_shop import PRODUCTS, Order, orders

Row = Mapping[str, object]
BERLIN, NEW_YORK = ZoneInfo("Europe/Berlin"), ZoneInfo("America/New_York")

SHOPIFY = (
    "Name,Email,Financial Status,Paid at,Fulfillment Status,Fulfilled at,Accepts Marketing,Currency,Subtotal,"
    "Shipping,Taxes,Total,Discount Code,Discount Amount,Shipping Method,Created at,Lineitem quantity,"
    "Lineitem name,Lineitem price,Lineitem compare at price,Lineitem sku,Lineitem requires shipping,"
    "Lineitem taxable,Lineitem fulfillment status,Billing Name,Billing Country,Shipping Name,Shipping City,"
    "Shipping Zip,Shipping Country,Notes,Cancelled at,Payment Method,Refunded Amount,Vendor,Id,Tags,Risk Level,"
    "Source,Lineitem discount,Phone"
)
SQUARE = (
    "Date,Time,Time Zone,Category,Item,Qty,Price Point Name,SKU,Modifiers Applied,Gross Sales,Discounts,Net Sales,Tax,"
    "Transaction ID,Payment ID,Device Name,Notes,Details,Event Type,Location,Dining Option,Customer ID,Customer Name,"
    "Customer Reference ID"
)
STRIPE = (
    "id,Created date (UTC),Amount,Amount Refunded,Currency,Captured,Converted Amount,Converted Amount Refunded,"
    "Converted Currency,Decline Reason,Description,Fee,Refunded date (UTC),Statement Descriptor,Status,Seller Message,"
    "Taxes On Fee,Card ID,Customer ID,Customer Description,Customer Email,Invoice ID,Transfer"
)
MAGENTO = (
    "ID,Purchase Point,Purchase Date,Bill-to Name,Ship-to Name,Grand Total (Base),Grand Total (Purchased),Status,"
    "Billing Address,Shipping Address,Shipping Information,Customer Email,Customer Group,Subtotal,"
    "Shipping and Handling,Customer Name,Payment Method,Total Refunded"
)
WOOCOMMERCE = (
    "Order Number,Order Status,Order Date,Customer Note,First Name (Billing),Last Name (Billing),City (Billing),"
    "Postcode (Billing),Country Code (Billing),Email (Billing),Phone (Billing),Country Code (Shipping),"
    "Payment Method Title,Cart Discount Amount,Order Subtotal Amount,Shipping Method Title,Order Shipping Amount,"
    "Order Refund Amount,Order Total Amount,Order Total Tax Amount,SKU,Item #,Item Name,Quantity (- Refund),Item Cost,"
    "Coupon Code,Discount Amount,Discount Amount Tax"
)
AMAZON = (
    "amazon-order-id,merchant-order-id,purchase-date,last-updated-date,order-status,fulfillment-channel,sales-channel,"
    "order-channel,ship-service-level,product-name,sku,asin,item-status,quantity,currency,item-price,item-tax,"
    "shipping-price,shipping-tax,gift-wrap-price,gift-wrap-tax,item-promotion-discount,ship-promotion-discount,ship-city,"
    "ship-state,ship-postal-code,ship-country,promotion-ids"
)


def shopify(order: Order) -> Iterator[Row]:
    """A row per line; what concerns the order on its first only."""
    local = order.at.astimezone(BERLIN).strftime("%Y-%m-%d %H:%M:%S %z")
    status = {"paid": "paid", "cancelled": "voided", "pending": "pending", "refunded": "refunded"}[order.outcome]
    of_order = {
        "Financial Status": status,
        "Currency": "EUR",
        "Subtotal": f"{order.total:.2f}",
        "Total": f"{order.total:.2f}",
        "Billing Country": order.place[0],
        "Shipping Country": order.place[0],
        "Cancelled at": local if order.outcome == "cancelled" else "",
        "Refunded Amount": f"{order.total if order.outcome == 'refunded' else 0:.2f}",
        "Id": 5_000_000_000 + order.number,
        "Source": "web",
    }
    for number, line in enumerate(order.lines):
        yield (of_order if number == 0 else {}) | {
            "Name": f"#{order.number}",
            "Email": order.email,
            "Created at": local,
            "Lineitem quantity": line.pieces,
            "Lineitem name": line.name,
            "Lineitem price": f"{line.price:.2f}",
            "Lineitem sku": line.sku,
            "Lineitem discount": "0.00",
            "Vendor": "Nowhere",
        }


def woocommerce(order: Order) -> Iterator[Row]:
    """A row per product, with all of the order on each."""
    status = {"paid": "Completed", "cancelled": "Cancelled", "pending": "Pending payment", "refunded": "Refunded"}
    for number, line in enumerate(order.lines, start=1):
        yield {
            "Order Number": order.number,
            "Order Status": status[order.outcome],
            "Order Date": order.at.astimezone(BERLIN).strftime("%Y-%m-%d %H:%M"),
            "Country Code (Billing)": order.place[0],
            "Country Code (Shipping)": order.place[0],
            "Email (Billing)": order.email.title(),
            "Order Total Amount": f"{order.total:.2f}",
            "SKU": line.sku,
            "Item #": number,
            "Item Name": line.name,
            "Quantity (- Refund)": line.pieces,
            "Item Cost": f"{line.price:g}",
        }


def magento(order: Order) -> Iterator[Row]:
    """A row per order."""
    status = {"paid": "Complete", "cancelled": "Canceled", "pending": "Pending", "refunded": "Closed"}
    yield {
        "ID": f"{order.number:09d}",
        "Purchase Point": "Main Website",
        "Purchase Date": order.at.strftime("%b %d, %Y %I:%M:%S %p"),
        "Grand Total (Base)": f"${order.total:,.2f}",
        "Grand Total (Purchased)": f"${order.total:,.2f}",
        "Status": status[order.outcome],
        "Customer Email": order.email,
        "Customer Group": "General",
        "Subtotal": f"{order.total:.4f}",
        "Total Refunded": f"${order.total:.2f}" if order.outcome == "refunded" else "",
    }


def square(order: Order) -> Iterator[Row]:
    """A row per item, and another for each that was paid back a day later."""
    if order.outcome in ("cancelled", "pending"):
        return
    for sign, event in ((1, "Payment"), (-1, "Refund"))[: 2 if order.outcome == "refunded" else 1]:
        local = (order.at + timedelta(days=sign < 0)).astimezone(NEW_YORK)
        for line in order.lines:
            money = f"{'-' if sign < 0 else ''}${line.total:,.2f}"
            yield {
                "Date": local.strftime("%Y-%m-%d"),
                "Time": local.strftime("%H:%M:%S"),
                "Time Zone": "Eastern Time (US & Canada)",
                "Category": line.category,
                "Item": line.name,
                "Qty": f"{sign * line.pieces:.1f}",
                "Price Point Name": "Regular",
                "SKU": line.sku,
                "Gross Sales": money,
                "Discounts": "$0.00",
                "Net Sales": money,
                "Tax": "$0.00",
                "Transaction ID": f"T{order.number}{'R' if sign < 0 else ''}",
                "Payment ID": f"P{order.number}{'R' if sign < 0 else ''}",
                "Event Type": event,
                "Location": "Main Street",
                "Customer ID": "" if order.customer == 1 else f"CUST{order.customer}",
            }


def stripe(order: Order) -> Iterator[Row]:
    """A row per payment."""
    yield {
        "id": f"ch_{order.number}",
        "Created date (UTC)": order.at.strftime("%Y-%m-%d %H:%M:%S"),
        "Amount": f"{order.total:.2f}",
        "Amount Refunded": f"{order.total if order.outcome == 'refunded' else 0:.2f}",
        "Currency": "usd",
        "Status": {"cancelled": "Failed", "refunded": "Refunded"}.get(order.outcome, "Paid"),
        "Customer ID": "" if order.customer % 10 == 0 else f"cus_{order.customer}",
        "Customer Email": order.email,
    }


def amazon(order: Order) -> Iterator[Row]:
    """A row per item; nothing is quoted."""
    status = {"cancelled": "Cancelled", "pending": "Pending"}.get(order.outcome, "Shipped")
    country, postal_code, city = order.place
    for line in order.lines:
        yield {
            "amazon-order-id": f"302-{order.number:07d}-{order.customer:07d}",
            "purchase-date": order.at.isoformat(),
            "last-updated-date": order.at.isoformat(),
            "order-status": status,
            "fulfillment-channel": "Amazon",
            "sales-channel": "Amazon.com",
            "product-name": line.name,
            "sku": line.sku,
            "asin": f"B0{line.sku.upper().replace('-', ''):0>8}",
            "item-status": status,
            "quantity": line.pieces,
            "currency": "USD",
            "item-price": "" if status == "Pending" else f"{line.total:.2f}",
            "item-promotion-discount": "",
            "ship-city": city,
            "ship-postal-code": postal_code,
            "ship-country": country,
        }


def cdnow(order: Order) -> Iterator[str]:
    """A line per order."""
    pieces = sum(line.pieces for line in order.lines)
    yield f" {order.customer:05d} {order.at:%Y%m%d} {pieces:2d} {order.total:7.2f}"


def ga4(order: Order) -> Iterator[Row]:
    """The event of a purchase, that of a refund, and one of a page that was looked at."""
    at = int(order.at.timestamp()) * 1_000_000
    event: dict[str, object] = {
        "event_date": order.at.strftime("%Y%m%d"),
        "event_timestamp": str(at),
        "event_name": "page_view",
        "user_id": None,
        "user_pseudo_id": f"{order.customer}.{1_700_000_000 + order.customer}",
        "geo": {"country": order.place[0], "city": order.place[2]},
        "platform": "WEB",
        "items": [],
    }
    yield event
    items = [
        {
            "item_id": line.sku,
            "item_name": line.name,
            "item_category": line.category,
            "price": line.price,
            "quantity": str(line.pieces),
            "item_revenue": line.total,
        }
        for line in order.lines
    ]
    bought = {"ecommerce": {"transaction_id": f"T{order.number}", "purchase_revenue": order.total}, "items": items}
    if order.outcome != "cancelled":
        yield event | bought | {"event_name": "purchase", "event_timestamp": str(at + 90_000_000)}
    if order.outcome == "refunded":
        yield event | bought | {"event_name": "refund", "event_timestamp": str(at + 86_400_000_000)}


def olist(made: Sequence[Order], folder: Path) -> None:
    """Four tables."""
    status = {"paid": "delivered", "cancelled": "canceled", "pending": "unavailable", "refunded": "delivered"}
    tables: dict[str, list[Row]] = {
        "olist_orders_dataset": [
            {
                "order_id": f"o{order.number}",
                "customer_id": f"a{order.number}",
                "order_status": status[order.outcome],
                "order_purchase_timestamp": order.at.strftime("%Y-%m-%d %H:%M:%S"),
            }
            for order in made
        ],
        "olist_order_items_dataset": [
            {
                "order_id": f"o{order.number}",
                "order_item_id": number,
                "product_id": line.sku,
                "seller_id": "s1",
                "shipping_limit_date": (order.at + timedelta(days=4)).strftime("%Y-%m-%d %H:%M:%S"),
                "price": f"{line.price:.2f}",
                "freight_value": "8.72",
            }
            for order in made
            for number, line in enumerate((each for each in order.lines for _ in range(each.pieces)), start=1)
        ],
        "olist_customers_dataset": [
            {
                "customer_id": f"a{order.number}",
                "customer_unique_id": f"u{order.customer}",
                "customer_city": order.place[2],
            }
            for order in made
        ],
        "olist_products_dataset": [
            {"product_id": sku, "product_category_name": category.lower()} for sku, _, category, _ in PRODUCTS
        ],
    }
    for name, rows in tables.items():
        _write_csv(folder / f"{name}.csv", list(rows[0]), rows)


def instacart(made: Sequence[Order], folder: Path) -> None:
    """Three tables, in which days are counted from the order before."""
    before: dict[int, Order] = {}
    numbers: dict[int, int] = {}
    rows: list[Row] = []
    for order in made:
        last = before.get(order.customer)
        numbers[order.customer] = numbers.get(order.customer, 0) + 1
        rows.append(
            {
                "order_id": order.number,
                "user_id": order.customer,
                "eval_set": "prior",
                "order_number": numbers[order.customer],
                "order_dow": order.at.isoweekday() % 7,
                "order_hour_of_day": f"{order.at.hour:02d}",
                "days_since_prior_order": "" if last is None else f"{(order.at.date() - last.at.date()).days}.0",
            }
        )
        before[order.customer] = order
    ids = {sku: number for number, (sku, *_) in enumerate(PRODUCTS, start=1)}
    _write_csv(folder / "orders.csv", list(rows[0]), rows)
    lines: list[Row] = [
        {"order_id": order.number, "product_id": ids[line.sku], "add_to_cart_order": at, "reordered": 0}
        for order in made
        for at, line in enumerate(order.lines, start=1)
    ]
    _write_csv(folder / "order_products__prior.csv", list(lines[0]), lines)
    products: list[Row] = [
        {"product_id": ids[sku], "product_name": name, "aisle_id": 1, "department_id": 1}
        for sku, name, _, _ in PRODUCTS
    ]
    _write_csv(folder / "products.csv", list(products[0]), products)


def write_samples(folder: Path) -> None:
    """All samples, each below a folder called like its profile."""
    made = orders()
    for name, header, rows_of in _CSV:
        _write_csv(
            _below(folder, name) / "orders.csv", header.split(","), (row for order in made for row in rows_of(order))
        )
    lines = [
        AMAZON.replace(",", "\t"),
        *("\t".join(str(row.get(key, "")) for key in AMAZON.split(",")) for order in made for row in amazon(order)),
    ]
    (_below(folder, "amazon-orders") / "all-orders.txt").write_text("\n".join(lines) + "\n", encoding="utf-8")
    days = [line for order in made if order.outcome == "paid" for line in cdnow(order)]
    (_below(folder, "cdnow") / "CDNOW_master.txt").write_text("\n".join(sorted(days)) + "\n", encoding="utf-8")
    events = [json.dumps(event) for order in made for event in ga4(order)]
    (_below(folder, "ga4") / "events.jsonl").write_text("\n".join(events) + "\n", encoding="utf-8")
    olist(made, _below(folder, "olist"))
    instacart([order for order in made if order.outcome == "paid"], _below(folder, "instacart"))


_CSV: tuple[tuple[str, str, Callable[[Order], Iterator[Row]]], ...] = (
    ("shopify", SHOPIFY, shopify),
    ("woocommerce", WOOCOMMERCE, woocommerce),
    ("magento", MAGENTO, magento),
    ("square", SQUARE, square),
    ("stripe", STRIPE, stripe),
)


def _below(folder: Path, name: str) -> Path:
    (folder / name).mkdir(parents=True, exist_ok=True)
    return folder / name


def _write_csv(path: Path, header: Sequence[str], rows: Iterable[Row]) -> None:
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, header, restval="", lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)


if __name__ == "__main__":
    write_samples(Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).parent)
