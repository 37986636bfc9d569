"""Semantic segmentation: the methods, one file each, their metrics and the CRF."""

__all__: list[str] = []
