"""`python -m mckd predict` and `follow`: what a run over cases does, from files to results."""

from mckd.predict.follow import follow
from mckd.predict.run import predict
from mckd.predict.works import UsageError

__all__ = ["UsageError", "follow", "predict"]
