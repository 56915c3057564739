"""Data of the tumour task: where it comes from, whether it is usable."""
