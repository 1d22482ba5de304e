"""Headers: found below titles, split by what delimits, and compared without what nobody sees."""

from pathlib import Path

import pytest

from segmentation.errors import SourceError
from segmentation.sources.dry_run import DryRun, dry_run_on
from segmentation.sources.profiles.profile import Profile, load_profile, parse_profile
from segmentation.warehouse import Lake
from segmentation_assets_tests.domain.sources.shop_files import NOW, changed, ingest, rows_of

HEADER = "order_id,customer_id,product_id,quantity,unit_price,ordered_at"
LINE = "1,c1,p1,1,2.5,2024-03-01"
SPACED = """
name: cdnow
reader: {delimiter: whitespace, names: [customer, day, pieces, paid]}
inputs: {customer: [customer], day: [day], pieces: [pieces], paid: [paid]}
columns:
  order_id: customer || '/' || day
  customer_id: customer
  product_id: "'cd'"
  quantity: pieces
  amount: paid
  ordered_at: day
"""


def _found(lake: Lake, path: Path, text: str | bytes, profile: Profile | str = "canonical") -> DryRun:
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    known = load_profile(profile) if isinstance(profile, str) else profile
    return dry_run_on(lake, str(path), known, now=NOW)


@pytest.mark.parametrize(
    "text",
    [
        f"Sales report\nGenerated 2024-04-01\n\n{HEADER}\n{LINE}\n",
        f'"Sales, all of them"\n"2024-04-01",,,,,\n{HEADER}\n{LINE}\n',
        f'Sales of "March\n{HEADER}\n{LINE}\n',
        f"\n\n{HEADER}\n{LINE}\n",
        f"sep=;\n{HEADER}\n{LINE}\n".replace(",", ";"),
        f'"sep=;"\r\n{HEADER}\r\n{LINE}\r\n'.replace(",", ";"),
        f"\ufeffsep=\t\n{HEADER}\n{LINE}\n".replace(",", "\t"),
        f"{HEADER},\n{LINE},\n",
        f"{HEADER}\n{LINE},\n",
        f"{HEADER},\n{LINE}\n",
        HEADER.replace("order_id", '"order_id"').replace("quantity", "\u200bQUANTITY\u00a0") + f"\n{LINE}\n",
        f"{HEADER.replace('quantity', chr(34) + 'Quantity' + chr(10) + chr(34))}\n{LINE}\n",
        f"{HEADER}\n{LINE}\n".replace(",", " , "),
    ],
)
def test_a_header_is_found(lake: Lake, tmp_path: Path, text: str) -> None:
    found = _found(lake, tmp_path / "a.csv", text)
    assert (found.report.lines_read, found.report.accepted) == (1, 1)
    assert found.preview["amount"].to_list() == [2.5]


def test_footers_are_refused_and_blank_lines_passed_over(lake: Lake, tmp_path: Path) -> None:
    text = f"{HEADER}\n{LINE}\n\n   \nTotal,,,1,2.5,\n\n(1 rows affected)\n"
    found = _found(lake, tmp_path / "a.csv", text)
    assert (found.report.lines_read, found.report.accepted) == (3, 1)
    assert found.report.rejected_by_reason == {"malformed_line": 1, "missing_customer": 1}


def test_one_empty_field_too_many_on_some_lines_may_have_shifted_the_others(lake: Lake, tmp_path: Path) -> None:
    text = f"{HEADER},note\n{LINE},\n2,c1,a mug, red,1,2.5,2024-03-01,\n"
    found = _found(lake, tmp_path / "a.csv", text)
    assert found.report.rejected_by_reason == {"malformed_line": 1}


def test_lines_above_the_header_can_be_said(lake: Lake, tmp_path: Path) -> None:
    text = f"{HEADER}\n{HEADER.upper()}\n{LINE}\n"
    found = _found(lake, tmp_path / "a.csv", text, changed("canonical", reader={"skip": 1}))
    assert (found.report.lines_read, found.report.accepted) == (1, 1)


def test_white_space_delimits_and_names_stand_in_for_a_header(lake: Lake, tmp_path: Path) -> None:
    text = " 00001 19970101  1   11.77\n 00002 19970112  5 \t 77.00\n\n 00004\n"
    found = _found(lake, tmp_path / "a.csv", text.replace("1997", "2017"), parse_profile(SPACED, "a test"))
    assert (found.report.lines_read, found.report.accepted) == (3, 2)
    assert found.preview["amount"].to_list() == [11.77, 77.0]
    assert found.preview["customer_id"].to_list() == ["00001", "00002"]


@pytest.mark.parametrize(
    "header",
    [
        "Bestellnummer;Kunden-Nr.;Artikelnummer;Menge;Einzelpreis;Bestelldatum",
        "N° commande;Code client;Référence produit;Quantité;Prix unitaire;Date de commande",
        "Número de pedido;Código de cliente;Código de producto;Cantidad;Precio unitario;Fecha de pedido",
        "Numero ordine;Codice cliente;Codice articolo;Quantità;Prezzo unitario;Data ordine",
        "Bestelnummer;Klantnummer;Artikelcode;Aantal;Stukprijs;Besteldatum",
        "Número do pedido;Código do cliente;Código do produto;Quantidade;Preço unitário;Data do pedido",
        "Order #;Customer ID;SKU;Qty;Price;Order Date",
    ],
)
def test_the_canonical_profile_knows_what_shops_call_their_columns(lake: Lake, tmp_path: Path, header: str) -> None:
    found = _found(lake, tmp_path / "a.csv", f"{header}\n{LINE.replace(',', ';')}\n")
    assert (found.report.lines_read, found.report.accepted) == (1, 1)


def test_a_file_that_has_the_names_of_the_contract_is_read_by_these_alone(lake: Lake, tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text(f"{HEADER}\n{LINE}\n")
    ingest(lake, path)
    before = rows_of(lake, "SELECT line_id, category, discount FROM raw.transactions")
    path.write_text(f"{HEADER},Rabatt,Kategorie\n{LINE},1.5,mugs\n")
    ingest(lake, path)
    assert rows_of(lake, "SELECT line_id, category, discount FROM raw.transactions") == before


def test_what_could_mean_two_things_is_not_taken(lake: Lake, tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="lacks.*`customer_id`.*The file has order_id, Customer"):
        _found(lake, tmp_path / "a.csv", f"{HEADER.replace('customer_id', 'Customer')}\n{LINE}\n")


def test_what_comes_nearest_to_a_header_is_told_if_there_is_none(lake: Lake, tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="lacks.*`ordered_at`.*The file has order_id, customer_id"):
        _found(lake, tmp_path / "a.csv", f"Sales\n\n{HEADER.removesuffix(',ordered_at')}\n1,c1,p1,1,2.5\n")


def test_a_product_list_has_a_header_of_its_own(lake: Lake, tmp_path: Path) -> None:
    (tmp_path / "products.csv").write_text("product_id,category\np1,mugs\n")
    text = f"Report\n{HEADER}\n{LINE}\n"
    found = _found(lake, tmp_path / "a.csv", text, changed("canonical", reader={"skip": 1}))
    assert found.preview["category"].to_list() == ["mugs"]
