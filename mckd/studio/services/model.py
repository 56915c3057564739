"""What is said of a bundled model, whatever its task."""

from __future__ import annotations

from typing import Any


def model_line(about: dict[str, Any]) -> str:
    """One line that says which data the model learned from."""
    data = about.get("data")
    name = data.get("name", "") if isinstance(data, dict) else str(data or "")
    return f"Trained on {name.rstrip('.')}." if name else "The checkpoint does not name its data."
