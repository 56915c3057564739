"""Run folders as a trainer leaves them, and forms as a visitor may."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from mckd.files.runs import RunFolder
from mckd.studio.services.command import Choices

HOSTILE = [
    None,
    "",
    0,
    True,
    1.5,
    [],
    {},
    ["one"],
    {"run": "one"},
    "..",
    "../one",
    "/etc/passwd",
    "one/../one",
    "one\0",
    "ONE ",
    ".hidden",
    "bundled:",
    "bundled:../../runs/one",
    "a" * 5000,
]
"""What a browser may send as a name."""


def write_run(root: Path, name: str = "one", rows: int = 3, state: str = "finished") -> RunFolder:
    run = RunFolder(root / "runs" / name)
    run.path.mkdir(parents=True)
    run.write_config(
        {
            "task": "digits",
            "preset": "smoke",
            "command": f"python -m train digits --preset smoke --seed 3 --out runs/{name}",
            "config": {"seed": 3, "method": {"alpha": 0.1}},
            "provenance": {"index": list(range(900))},
        }
    )
    for step in range(1, rows + 1):
        run.append(row(step))
    run.write_status(state=state, step=rows, steps=rows, eta_s=None, message="")
    return run


def chosen(**changes: Any) -> Choices:
    """A form as a visitor may leave it."""
    return Choices(**{"task": "digits", "scarce": "audio", **changes})


def row(step: int) -> dict[str, Any]:
    return {
        "step": step,
        "epoch": step / 10,
        "task_loss": 1 / step,
        "iwv": {"visual": 0.6, "audio": 0.4},
        "validation": {"visual": 0.9, "audio": 0.8, "both": 0.95},
    }
