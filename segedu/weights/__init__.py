"""Weights: official files by name, and the small checkpoints that come with the course."""

from segedu.weights.official import load, official_names
from segedu.weights.shipped import load_shipped, read_card, shipped_names

__all__ = ["load", "load_shipped", "official_names", "read_card", "shipped_names"]
