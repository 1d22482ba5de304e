"""How headers are compared: without what nobody sees, or without all that people vary.

Which headers mean what is in `synonyms` and in the profiles.
"""

import re
import unicodedata

INVISIBLE = re.compile("[\u00ad\u200b-\u200f\u2028\u2029\u202a-\u202e\u2060-\u2064\ufeff\ufffe\\x00-\\x08\\x0e-\\x1f]")
QUOTES = "\"'`\u201c\u201d\u201e\u00ab\u00bb"

SPOKEN = str.maketrans({"#": "no", "\u2116": "no", "%": "percent"})


def folded(header: str) -> str:
    """A header without what can't be seen or doesn't matter.

    Case, quotation marks around it, characters without a width, and which white space it has (line breaks and no-break
    spaces are some) don't count.
    """
    if header.isascii() and header.isidentifier():  # almost always
        return header.casefold()
    text = INVISIBLE.sub("", unicodedata.normalize("NFC", header))
    return " ".join(" ".join(text.split()).strip(QUOTES).split()).casefold()


def shown(header: str) -> str:
    """A header as it is shown, on one line and without what can't be seen."""
    text = header.strip()
    if text.isascii() and text.isprintable():  # almost always
        return text
    return " ".join(INVISIBLE.sub("", text).split())


def loosely_folded(header: str) -> str:
    """A header's letters and digits alone: `Order-ID`, `order_id` and `orderId` are the same; accents don't count.

    A `#` and a `№` are the word "no", and a `%` is "percent", so that `Order #` isn't `Order`.
    """
    spoken = folded(header).translate(SPOKEN)
    return "".join(char for char in unicodedata.normalize("NFKD", spoken) if char.isalnum())
