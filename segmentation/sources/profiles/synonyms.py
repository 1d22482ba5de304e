"""What shops call the contract's columns: spellings of headers in seven languages, per column, the surest first.

They are compared by `headers.loosely_folded`: case, accents, spaces, hyphens and underscores don't matter, so
`order id` stands for `Order-ID`, `order_id` and `orderId`, and `#` is `no`. What could as well be something else (the
total of a line or of an order, a customer's number or name) is in `AMBIGUOUS`: to be proposed to a person, never used
unasked.
"""

from collections.abc import Iterable, Mapping

from segmentation.sources.profiles.headers import loosely_folded

SYNONYMS: Mapping[str, tuple[str, ...]] = {
    "line_id": (
        *("line id", "line item id", "order line id", "order item id", "item id", "transaction line id"),
        *("lineitem id", "order detail id", "line uuid"),
        *("positions-id", "bestellpositions-id", "belegpositions-id"),
        *("id ligne", "identifiant ligne", "id linea", "id de linea", "id riga", "regel-id", "orderregel-id"),
        *("id da linha", "id do item"),
    ),
    "order_id": (
        *(
            "order id",
            "order no",
            "order nr",
            "order num",
            "order number",
            "order code",
            "order reference",
            "order ref",
        ),
        *("order name", "sales order id", "sales order number", "purchase order id", "amazon order id", "web order id"),
        *("invoice no", "invoice nr", "invoice number", "invoice id", "invoice", "receipt id", "receipt no"),
        *("receipt number", "basket id", "transaction id", "transaction no", "transaction number", "increment id"),
        *("bestellnummer", "bestell-nr", "bestellnr", "bestell-id", "bestellung nr", "bestellungsnummer"),
        *("auftragsnummer", "auftrags-nr", "auftragsnr", "auftrags-id", "belegnummer", "beleg-nr", "belegnr"),
        *("rechnungsnummer", "rechnungs-nr", "rechnungsnr", "bonnummer", "bon-nr", "bestell-id"),
        *("numero de commande", "numero commande", "no commande", "no de commande", "n commande", "n de commande"),
        *("num commande", "id commande", "commande id", "reference commande", "ref commande", "numero de facture"),
        *("numero facture", "n facture", "no facture"),
        *("numero de pedido", "numero pedido", "num pedido", "n pedido", "no pedido", "n de pedido", "no de pedido"),
        *("id pedido", "pedido id", "id de pedido", "id del pedido", "numero do pedido", "id do pedido"),
        *("codigo de pedido", "codigo pedido", "codigo do pedido", "numero de factura", "numero factura", "n factura"),
        *("numero orden", "numero de orden", "id orden", "orden id", "numero da encomenda", "numero encomenda"),
        *("id encomenda", "numero da fatura", "numero de encomenda", "pedido n", "pedido no"),
        *("numero ordine", "numero d'ordine", "numero dell'ordine", "n ordine", "no ordine", "num ordine", "id ordine"),
        *("ordine id", "codice ordine", "numero fattura", "numero scontrino"),
        *("bestelnummer", "bestel-nr", "bestelnr", "bestelling-id", "bestellingsnummer", "ordernummer", "ordernr"),
        *("factuurnummer", "factuurnr", "bonnr"),
    ),
    "customer_id": (
        *("customer id", "customer no", "customer nr", "customer num", "customer number", "customer code"),
        *("customer key", "customer ref", "customer reference", "cust id", "cust no", "client id", "client no"),
        *("client number", "client code", "buyer id", "shopper id", "user id", "member id", "member no"),
        *("household id", "household key", "account id", "account number", "customer user id", "customer unique id"),
        *("kundennummer", "kunden-nr", "kundennr", "kunden-id", "kdnr", "kd-nr", "kundenkonto", "debitor-nr"),
        *("debitorennummer", "debitornr", "debitornummer", "kaufer-id", "kaeufer-id"),
        *("numero client", "numero de client", "numero du client", "no client", "n client", "n de client", "id client"),
        *("num client", "code client", "identifiant client", "reference client"),
        *(
            "numero de cliente",
            "numero cliente",
            "num cliente",
            "n cliente",
            "no cliente",
            "n de cliente",
            "id cliente",
        ),
        *("no de cliente", "id de cliente", "id del cliente", "codigo de cliente", "codigo cliente", "cliente id"),
        *("numero do cliente", "id do cliente", "codigo do cliente", "id comprador"),
        *("numero del cliente", "codice cliente", "id utente"),
        *("klantnummer", "klant-nr", "klantnr", "klant-id", "klantcode", "debiteurnummer", "debiteurnr"),
        *("customer email", "customer e-mail", "email", "e-mail", "email address", "e-mail address", "buyer email"),
        *("billing email", "customer email address", "e-mail-adresse", "kunden-email", "kunden-e-mail"),
        *("adresse email", "adresse e-mail", "courriel", "correo electronico", "correo", "correo del cliente"),
        *("email cliente", "email del cliente", "email do cliente", "indirizzo email", "indirizzo e-mail"),
        *("e-mailadres", "emailadres", "endereco de email", "endereco de e-mail", "email client"),
    ),
    "product_id": (
        *(
            "product id",
            "product code",
            "product no",
            "product number",
            "product sku",
            "sku",
            "item sku",
            "lineitem sku",
        ),
        *("seller sku", "variant sku", "stock code", "item code", "item no", "item number", "article id", "article no"),
        *("article number", "article code", "asin", "upc", "ean", "gtin", "isbn"),
        *("artikelnummer", "artikel-nr", "artikelnr", "artikel-id", "art-nr", "artnr", "produktnummer", "produkt-nr"),
        *("produkt-id", "produktcode", "produktnr", "materialnummer", "warennummer"),
        *("reference produit", "ref produit", "reference article", "ref article", "code produit", "code article"),
        *("id produit", "produit id", "numero article", "numero d'article", "id article"),
        *("id producto", "id de producto", "id del producto", "producto id", "codigo producto", "codigo de producto"),
        *("codigo del producto", "codigo articulo", "codigo de articulo", "id articulo", "referencia del producto"),
        *("referencia producto", "numero de articulo"),
        *("id produto", "id do produto", "produto id", "codigo produto", "codigo do produto", "codigo de produto"),
        *("referencia do produto", "codigo do artigo", "codigo do item"),
        *("id prodotto", "codice prodotto", "codice articolo", "prodotto id", "riferimento prodotto", "cod articolo"),
        *("artikelcode", "productcode", "productnummer", "product-nr", "productnr"),
    ),
    "category": (
        *("category", "product category", "category name", "product category name", "item category"),
        *("warengruppe", "kategorie", "produktkategorie", "produktgruppe", "artikelgruppe"),
        *("categorie", "categorie produit", "categorie de produit", "famille", "rayon"),
        *("categoria", "categoria de producto", "categoria del producto", "categoria do produto"),
        *("categoria prodotto", "categoria del prodotto", "productcategorie", "productgroep", "artikelgroep"),
    ),
    "quantity": (
        *("quantity", "qty", "quantity ordered", "quantity purchased", "quantity sold", "qty ordered", "qty sold"),
        *("item quantity", "item qty", "lineitem quantity", "order quantity", "product quantity", "product qty"),
        *("number of items", "no of items", "units", "units sold", "pieces", "pcs"),
        *("menge", "anzahl", "stuck", "stueck", "stuckzahl", "stueckzahl", "bestellmenge", "verkaufte menge"),
        *("quantite", "qte", "quantite commandee", "quantite vendue", "nombre d'articles"),
        *("cantidad", "cant", "cantidad pedida", "cantidad vendida", "unidades"),
        *("quantidade", "qtd", "qtde", "quantidade vendida", "quantidade pedida"),
        *("quantita", "qta", "quantita ordinata", "quantita venduta", "numero pezzi", "pezzi"),
        *("aantal", "hoeveelheid", "besteld aantal", "aantal stuks", "stuks"),
    ),
    "unit_price": (
        *("unit price", "price per unit", "price each", "item price", "lineitem price", "product price", "sale price"),
        *("selling price", "price per item", "unit selling price", "price"),
        *("einzelpreis", "stuckpreis", "stueckpreis", "preis pro stuck", "preis pro stueck", "preis je stuck"),
        *("preis je einheit", "e-preis", "ep", "verkaufspreis", "artikelpreis", "preis"),
        *("prix unitaire", "prix a l'unite", "prix unitaire ttc", "prix unitaire ht", "prix de vente", "pu", "prix"),
        *("precio unitario", "precio por unidad", "precio unidad", "precio de venta", "precio"),
        *("preco unitario", "preco por unidade", "preco de venda", "valor unitario", "preco"),
        *("prezzo unitario", "prezzo per unita", "prezzo cadauno", "prezzo di vendita", "prezzo"),
        *("stukprijs", "eenheidsprijs", "prijs per stuk", "prijs per eenheid", "verkoopprijs", "prijs"),
    ),
    "amount": (
        *("line total", "line amount", "line item total", "item total", "item subtotal", "line value", "line revenue"),
        *("extended price", "row total", "sales value"),
        *("positionssumme", "positionsbetrag", "zeilenbetrag", "zeilensumme", "gesamtpreis position"),
        *("total ligne", "total de la ligne", "montant ligne", "montant de la ligne"),
        *("total linea", "total de linea", "total de la linea", "importe linea", "importe de linea"),
        *("total da linha", "total do item", "valor do item"),
        *("totale riga", "importo riga", "totale di riga"),
        *("regeltotaal", "regelbedrag", "totaal regel"),
    ),
    "discount": (
        *("line discount", "discount", "discount amount", "item discount", "lineitem discount"),
        *("rabatt", "rabattbetrag", "nachlass", "remise", "montant remise", "montant de la remise", "reduction"),
        *("descuento", "importe descuento", "desconto", "valor do desconto", "valor desconto"),
        *("sconto", "importo sconto", "korting", "kortingsbedrag"),
    ),
    "ordered_at": (
        *("ordered at", "ordered on", "order date", "order datetime", "order time", "order timestamp", "date ordered"),
        *("order created at", "order created", "date of order", "order purchase timestamp", "purchase date"),
        *("purchased at", "purchased on", "purchase time", "purchase timestamp", "created at", "date created"),
        *("created on", "invoice date", "invoice datetime", "transaction date", "transaction time"),
        *("transaction timestamp", "sale date", "date of sale", "sales date", "order placed at", "timestamp"),
        *("bestelldatum", "bestellt am", "bestellzeitpunkt", "auftragsdatum", "belegdatum", "rechnungsdatum"),
        *("kaufdatum", "datum der bestellung", "verkaufsdatum"),
        *("date de commande", "date commande", "date de la commande", "commande le", "date d'achat", "date achat"),
        *("date de facture", "date facture", "date de vente"),
        *("fecha de pedido", "fecha pedido", "fecha del pedido", "fecha de compra", "fecha compra", "fecha de venta"),
        *("fecha de orden", "fecha orden", "fecha de la orden", "fecha factura", "fecha de factura"),
        *("data do pedido", "data pedido", "data de pedido", "data da compra", "data de compra", "data da venda"),
        *("data da encomenda", "data encomenda", "data da fatura"),
        *("data ordine", "data dell'ordine", "data d'ordine", "data acquisto", "data di acquisto", "data fattura"),
        *("data vendita", "besteldatum", "orderdatum", "datum bestelling", "aankoopdatum", "factuurdatum"),
        *("date", "datum", "fecha", "data"),
    ),
    "country": (
        *("country", "country code", "shipping country", "ship country", "delivery country", "customer country"),
        *("land", "landercode", "laendercode", "landercode", "lieferland", "pays", "pays de livraison", "code pays"),
        *("pais", "pais de envio", "pais de entrega", "codigo pais", "codigo de pais", "codigo do pais"),
        *("paese", "paese di spedizione", "nazione", "landcode"),
    ),
    "channel": (
        *("channel", "sales channel", "order channel", "order source", "verkaufskanal", "vertriebskanal", "kanal"),
        *("canal", "canal de vente", "canal de venta", "canal de venda", "canal de vendas", "canale"),
        *("canale di vendita", "verkoopkanaal", "kanaal"),
    ),
    "currency": (
        *("currency", "currency code", "order currency", "payment currency", "wahrung", "waehrung", "devise", "moneda"),
        *("divisa", "valuta", "moeda"),
    ),
}
"""Per contract column, headers that mean it. No spelling stands for two columns."""

AMBIGUOUS: Mapping[str, tuple[str, ...]] = {
    "order_id": (
        *("order", "bestellung", "auftrag", "beleg", "bon", "commande", "facture", "pedido", "orden", "ordine"),
        *("bestelling", "factuur", "encomenda", "factura", "fatura", "fattura", "receipt", "basket", "transaction"),
    ),
    "customer_id": (
        *("customer", "client", "buyer", "shopper", "user", "household", "kunde", "kaufer", "kaeufer", "cliente"),
        *("klant", "comprador", "utente", "customer name", "name", "member", "account"),
    ),
    "product_id": (
        *("product", "item", "article", "artikel", "produkt", "produit", "producto", "produto", "prodotto"),
        *("articulo", "articolo", "artigo", "product name", "item name", "lineitem name", "title", "description"),
        *("artikelbezeichnung", "bezeichnung", "artikelname", "produktname", "reference", "ref", "code"),
    ),
    "quantity": ("count", "number", "items"),
    "unit_price": ("rate", "cost", "unit cost", "item cost"),
    "amount": (
        *("amount", "total", "value", "sales", "revenue", "net amount", "gross amount", "total price", "total amount"),
        *("subtotal", "order total", "grand total", "total paid", "payment value", "net sales", "gross sales"),
        *("betrag", "summe", "gesamt", "gesamtbetrag", "gesamtpreis", "umsatz", "montant", "total ttc", "total ht"),
        *("importe", "importe total", "importo", "totale", "valor", "valor total", "bedrag", "totaal", "omzet"),
    ),
    "discount": ("discount code amount", "order discount", "coupon", "coupon amount", "rabatt %", "promo"),
    "ordered_at": (
        *("time", "day", "created", "paid at", "payment date", "processed at", "shipped at", "ship date", "updated at"),
        *("zeit", "zeitpunkt", "tag", "jour", "dia", "giorno", "dag"),
    ),
    "country": ("billing country", "region", "market", "marketplace"),
    "channel": ("source", "source name", "referrer", "medium", "platform", "store"),
}
"""The same of headers that may mean it, or something that would be wrong without a word."""


def column_of(header: str, spellings: Mapping[str, Iterable[str]] = SYNONYMS) -> str | None:
    """The contract column that a header means, or None.

    Args:
        header: As the file has it.
        spellings: Which spellings are taken for which column.
    """
    wanted = loosely_folded(header)
    return next((column for column, names in spellings.items() if wanted in map(loosely_folded, names)), None)
