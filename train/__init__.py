"""The trainer: `python -m train`. Imports `mckd`, never the app."""
