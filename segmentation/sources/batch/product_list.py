"""The product list that may lie next to a source's transactions, as the staging area's relation of this name.

What becomes of it in the lake is in `products`.
"""

from collections.abc import Iterable
from pathlib import Path

from segmentation.errors import SourceError
from segmentation.sources.profiles.contract import PRODUCT_CLEANED_BY
from segmentation.sources.profiles.profile import ProductList, Profile
from segmentation.sources.readers.files import Lines
from segmentation.sources.readers.paths import InputFile
from segmentation.sources.rules.mapping import mapped, profile_errors
from segmentation.sources.staging import Relation, Staging

COLUMNS = ", ".join(PRODUCT_CLEANED_BY)

ONE_PER_PRODUCT = f"""
SELECT {COLUMNS}
FROM ({{entries}})
WHERE product_id IS NOT NULL
QUALIFY row_number() OVER (
    PARTITION BY product_id
    ORDER BY category NULLS LAST, department NULLS LAST, brand NULLS LAST, product_name NULLS LAST
) = 1
"""

FIRST_MALFORMED = f"""
SELECT file_id, line FROM {Relation.MALFORMED_LINES} WHERE file_id < 0 ORDER BY ALL DESC LIMIT 1
"""


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


def read_product_list(staging: Staging, profile: Profile, source: str, transactions: Iterable[Path]) -> bool:
    """Fill `PRODUCT_LIST` (one row per product) from the lists of a source; False if it has none.

    Raises:
        SourceError: A list is missing, can't be read or lacks a column.
    """
    paths = list_files(profile, transactions)
    if profile.products is None or not paths:
        return False
    # Negative numbers keep lists apart from transaction files.
    files = [InputFile(-number, path) for number, path in enumerate(paths, start=1)]
    with staging.lines(profile, files, inputs=profile.products.inputs) as groups:
        malformed = staging.con.execute(FIRST_MALFORMED).fetchone()
        if malformed is not None:
            number, line = malformed
            raise SourceError(
                f"The product list {paths[-number - 1]} has a line that can't be read: {line!r}. Mend it."
            )
        with profile_errors(profile, source):
            entries = " UNION ALL ".join(_entries(profile.products, lines) for lines in groups)
            staging.create(Relation.PRODUCT_LIST, ONE_PER_PRODUCT.format(entries=entries))
    return True


def _entries(products: ProductList, lines: Lines) -> str:
    columns = ", ".join(f"mapped_{name} AS {name}" for name in PRODUCT_CLEANED_BY)
    return f"SELECT {columns} FROM ({mapped(products.columns, PRODUCT_CLEANED_BY, lines)})"
