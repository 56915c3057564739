"""`python -m mckd predict`: what a run over the cases of a folder does, from files to results."""

from mckd.predict.run import predict
from mckd.predict.works import UsageError

__all__ = ["UsageError", "predict"]
