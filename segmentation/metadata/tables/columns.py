"""Columns that several tables have."""

from segmentation.metadata.table import Column

AS_OF = Column(
    "as_of", "DATE", "Snapshot date: only lines before this day of the shop's calendar count.", nullable=False
)

CUSTOMER = Column("customer_id", "VARCHAR", "The customer, as the source names them.", nullable=False)
