"""MCKD: one model for every subset of its input modalities (arXiv 2405.07155)."""

__version__ = "0.1.0"
