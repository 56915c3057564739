"""Records as TensorBoard files."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from torch.utils.tensorboard import SummaryWriter


class Board:
    """Writes each record that it is called with.

    From the first on, what an earlier process wrote of the same or later steps no longer counts: a
    resumed run takes them again, and they are shown once.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._writer: SummaryWriter | None = None

    def __call__(self, row: dict[str, Any]) -> None:
        step = row["step"]
        if self._writer is None:
            self._writer = SummaryWriter(str(self._folder), purge_step=step)
        for name, value in row.items():
            if isinstance(value, dict):
                for key, number in value.items():
                    self._writer.add_scalar(f"{name}/{key}", number, step)
            elif name != "step":
                self._writer.add_scalar(name, value, step)
        self._writer.flush()
