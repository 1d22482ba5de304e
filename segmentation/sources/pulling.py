"""The name under which plug-ins import what they have to be: see docs/sources.md."""

from segmentation.sources.readers.pages import Page, PagedSource

__all__ = ["Page", "PagedSource"]
