"""What programs may call of this task: predict from a sample's rows of several tables."""

# No `from __future__ import annotations`: Gradio reads the types of what is returned as they are.

from collections.abc import Callable
from typing import Any

from mckd.studio.tasks import Api
from mckd.studio.tasks.tables.service import BUNDLED, TableService


def functions(tables: TableService) -> list[Callable[..., Any]]:
    def predict_row(rows: dict[str, Any], model: str = BUNDLED) -> dict[str, Any]:
        """Predict the class, or the number, of one sample from its rows of several tables.

        Args:
            rows: {modality: a row}: {column: value}, or all values in order; null is missing.
            model: one that list_models names.

        Returns:
            label, probabilities by class, modalities used, what each adds (exact Shapley values)
        """
        if not isinstance(rows, dict):
            raise ValueError("Give the rows by modality, as {modality: row}.")
        classifier = tables.classifier(model)
        encoded = classifier.encode(rows)
        said = classifier.decide(encoded)
        return {
            "label": said.label,
            "probabilities": {
                str(label): round(float(p), 5)
                for label, p in zip(classifier.classes, said.probabilities, strict=False)
            },
            "present": [m for m in classifier.modalities if m in said.present],
            "contributions": {
                m: round(float(v), 5) for m, v in classifier.contributions(encoded).items()
            },
        }

    return [predict_row]


def models(tables: TableService) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = [{"model": o.key, "name": o.label} for o in tables.models()]
    if tables.status == "ready":
        bundled = tables.classifier(BUNDLED)
        found[0]["classes"] = list(bundled.classes)
        found[0]["columns"] = {m: len(columns.names) for m, columns in bundled.columns.items()}
    return found


API = Api(functions, models)
