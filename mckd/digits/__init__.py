"""Digits from a picture and a spoken word, with either missing."""

from mckd.digits.predictor import DigitClassifier, Heard, Prediction, Seen

__all__ = ["DigitClassifier", "Heard", "Prediction", "Seen"]
