"""Data: annotated photographs, readers of the official formats."""

from segedu.data.photographs import (
    Instance,
    Photograph,
    data_root,
    load_photograph,
    photograph_names,
)

__all__ = ["Instance", "Photograph", "data_root", "load_photograph", "photograph_names"]
