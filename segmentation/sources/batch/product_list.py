"""The product list that may lie next to a source's transactions, as the temporary table `product_list`.

What becomes of it in the lake is in `products`.
"""

from collections.abc import Iterable
from pathlib import Path

import duckdb

from segmentation.errors import SourceError
from segmentation.sources.profiles.contract import PRODUCT_CLEANED_BY
from segmentation.sources.profiles.profile import ProductList, Profile
from segmentation.sources.readers.binding import Wanted
from segmentation.sources.readers.files import Lines, drop_lines, read_lines
from segmentation.sources.readers.paths import InputFile
from segmentation.sources.readers.text_parts import MALFORMED
from segmentation.sources.rules.mapping import mapped, profile_errors

COLUMNS = ", ".join(PRODUCT_CLEANED_BY)

ONE_PER_PRODUCT = f"""
CREATE OR REPLACE TEMP TABLE product_list AS
SELECT {COLUMNS}
FROM ({{entries}})
WHERE product_id IS NOT NULL
QUALIFY row_number() OVER (
    PARTITION BY product_id
    ORDER BY category NULLS LAST, department NULLS LAST, brand NULLS LAST, product_name NULLS LAST
) = 1
"""

FIRST_MALFORMED = f"SELECT file_id, line FROM {MALFORMED} WHERE file_id < 0 ORDER BY ALL DESC LIMIT 1"


def list_files(profile: Profile, transactions: Iterable[Path]) -> tuple[Path, ...]:
    """The product lists that belong to transaction files: per folder, the first that is there.

    Raises:
        SourceError: A folder has none, although the profile says that there is one.
    """
    wanted = profile.products
    if wanted is None:
        return ()
    found: set[Path] = set()
    for folder in sorted({path.parent for path in transactions}):
        candidates = [(folder / name).resolve() for name in wanted.files]
        there = next((path for path in candidates if path.is_file()), None)
        if there is not None:
            found.add(there)
        elif not wanted.optional:
            raise SourceError(
                f"The product list that the profile {profile.name} names is not there: tried "
                f"{', '.join(map(str, candidates))}."
            )
    return tuple(sorted(found))


def read_product_list(
    con: duckdb.DuckDBPyConnection, profile: Profile, source: str, transactions: Iterable[Path]
) -> bool:
    """Fill `product_list` (one row per product) from the lists of a source; False if it has none.

    Raises:
        SourceError: A list is missing, can't be read or lacks a column.
    """
    paths = list_files(profile, transactions)
    if profile.products is None or not paths:
        return False
    # Negative numbers keep lists apart from transaction files.
    files = [InputFile(-number, path) for number, path in enumerate(paths, start=1)]
    wanted = Wanted(profile.name, profile.products.inputs, profile.reader)
    groups = read_lines(con, "products", files, wanted)
    _refuse_malformed(con, paths)
    with profile_errors(profile, source):
        entries = " UNION ALL ".join(_entries(profile.products, lines) for lines in groups)
        con.execute(ONE_PER_PRODUCT.format(entries=entries))
    drop_lines(con, groups)
    return True


def _entries(products: ProductList, lines: Lines) -> str:
    columns = ", ".join(f"mapped_{name} AS {name}" for name in PRODUCT_CLEANED_BY)
    return f"SELECT {columns} FROM ({mapped(products.columns, PRODUCT_CLEANED_BY, lines)})"


def _refuse_malformed(con: duckdb.DuckDBPyConnection, paths: tuple[Path, ...]) -> None:
    row = con.execute(FIRST_MALFORMED).fetchone()
    if row is not None:
        raise SourceError(f"The product list {paths[-row[0] - 1]} has a line that can't be read: {row[1]!r}. Mend it.")
