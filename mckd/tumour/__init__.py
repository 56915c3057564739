"""Brain tumours in MRI, with any of four sequences missing."""

from mckd.tumour.data import Case, find_cases, read_case, regions
from mckd.tumour.naming import REGIONS, SEQUENCES, CaseError, match_sequences

__all__ = [
    "REGIONS",
    "SEQUENCES",
    "Case",
    "CaseError",
    "find_cases",
    "match_sequences",
    "read_case",
    "regions",
]
