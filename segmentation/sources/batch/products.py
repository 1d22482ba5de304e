"""`raw.products`: what the sources sell, from their product lists or, without one, from their accepted lines."""

from collections.abc import Sequence
from itertools import groupby
from pathlib import Path

import duckdb

from segmentation.metadata.tables.raw import PRODUCTS, TRANSACTIONS
from segmentation.sources.batch.file_roles import registered_tables
from segmentation.sources.batch.product_list import read_product_list
from segmentation.sources.batch.related_lines import related_lines
from segmentation.sources.batch.source_files import SourceFile, read_source_files
from segmentation.sources.profiles.contract import PRODUCT_CLEANED_BY
from segmentation.sources.profiles.profile import Profile, parse_profile
from segmentation.sources.readers.paths import InputFile
from segmentation.sources.rules.mapping import mapped, profile_errors
from segmentation.sources.staging import Relation, Staging
from segmentation.warehouse import Commit, Lake

NO_CANDIDATES = f"FROM {PRODUCTS.name} LIMIT 0"

COLLECT_LISTED = f"""
INSERT INTO {Relation.PRODUCT_CANDIDATES} BY NAME SELECT *, $source AS source FROM {Relation.PRODUCT_LIST}
"""

PRODUCT_NAMES = """
SELECT product_id, product_name
FROM (
    SELECT product_id, product_name, count(*) AS line_count
    FROM ({named_lines})
    WHERE product_name IS NOT NULL
    GROUP BY product_id, product_name
)
QUALIFY row_number() OVER (PARTITION BY product_id ORDER BY line_count DESC, product_name) = 1
"""

NAMED_LINES = "SELECT mapped_product_id AS product_id, mapped_product_name AS product_name FROM ({mapped})"

NO_NAMES = "SELECT NULL AS product_id, CAST(NULL AS VARCHAR) AS product_name LIMIT 0"

COLLECT_FROM_LINES = f"""
INSERT INTO {Relation.PRODUCT_CANDIDATES} BY NAME
WITH categories AS (
    SELECT product_id, category, count(*) AS line_count
    FROM {TRANSACTIONS.name}
    WHERE source = $source
    GROUP BY product_id, category
),
sold AS (
    SELECT product_id, category
    FROM categories
    QUALIFY row_number() OVER (
        PARTITION BY product_id ORDER BY category IS NULL, line_count DESC, category
    ) = 1
)
SELECT product_id, product_names.product_name, sold.category, $source AS source
FROM sold LEFT JOIN {Relation.PRODUCT_NAMES} AS product_names USING (product_id)
"""

# A product that several sources know is taken from the one that tells most about it.
ONE_PER_PRODUCT = f"""
SELECT {PRODUCTS.column_list}
FROM {Relation.PRODUCT_CANDIDATES}
QUALIFY row_number() OVER (
    PARTITION BY product_id
    ORDER BY category IS NULL, department IS NULL, product_name IS NULL, source
) = 1
"""


def load_products(lake: Lake, commit: Commit) -> int:
    """Replace `raw.products`.

    A product that lines name but their source's product list lacks is left out, so that the check of references
    means something. Without a product list, the products are those of the source's accepted lines, each with its most
    frequent category and, where the profile maps `product_name`, its most frequent name.

    Args:
        lake: A writable lake.
        commit: What the snapshot says about itself.

    Returns:
        How many products there are. Without any registered file nothing is written.

    Raises:
        SourceError: A product list, or a file that products get their names from, can't be read.
    """
    with Staging.opened(lake) as staging:
        files = read_source_files(staging.con)
        if not files:
            return 0
        staging.create(Relation.PRODUCT_CANDIDATES, NO_CANDIDATES)
        for source, of_source in groupby(files, key=lambda file: file.source):
            _collect(staging, source, list(of_source))
        staging.create(Relation.CHOSEN_PRODUCTS, ONE_PER_PRODUCT)
        return lake.transaction(staging.con, commit, _replace)


def _collect(staging: Staging, source: str, files: Sequence[SourceFile]) -> None:
    profile = parse_profile(files[0].profile, f"of the source {source}")
    paths = [Path(file.path) for file in files if not file.is_table()]
    if read_product_list(staging, profile, source, paths):
        staging.con.execute(COLLECT_LISTED, {"source": source})
    else:
        _read_names(staging, profile, source, files)
        staging.con.execute(COLLECT_FROM_LINES, {"source": source})


def _read_names(staging: Staging, profile: Profile, source: str, registered: Sequence[SourceFile]) -> None:
    if profile.product_name is None:
        staging.create(Relation.PRODUCT_NAMES, NO_NAMES)
        return
    numbered = dict(enumerate(registered))
    files = [InputFile(number, Path(file.path)) for number, file in numbered.items() if not file.is_table()]
    expressions = {"product_id": profile.columns["product_id"], "product_name": profile.product_name}
    with related_lines(staging, profile, files, registered_tables(profile, numbered)) as groups:
        named_lines = " UNION ALL ".join(
            NAMED_LINES.format(mapped=mapped(expressions, PRODUCT_CLEANED_BY, lines)) for lines in groups
        )
        with profile_errors(profile, source):
            staging.create(Relation.PRODUCT_NAMES, PRODUCT_NAMES.format(named_lines=named_lines))


def _replace(con: duckdb.DuckDBPyConnection) -> int:
    con.execute(f"DELETE FROM {PRODUCTS.name}")
    inserted = con.execute(f"INSERT INTO {PRODUCTS.name} FROM {Relation.CHOSEN_PRODUCTS}").fetchone()
    return int(inserted[0]) if inserted else 0
