"""The model: search and fitting, the identity of segments, the artefact that holds everything, gates and registry.

A version's whole life is here; what it says of customers is in `segmentation.segments`.
"""
