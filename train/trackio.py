"""Records in Trackio's local dashboard: project `mckd-TASK`, a run called like the run folder."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

import trackio

from mckd.files.runs import RunFolder


class Track:
    """Logs each record that it is called with, once it stands in the run folder.

    What an earlier process of a resumed run logged is replaced by what the folder holds: steps that
    are taken again are there once. Nothing leaves this computer unless Trackio is told so.
    """

    def __init__(self, folder: RunFolder, task: str) -> None:
        self._folder, self._project = folder, f"mckd-{task}"
        self._run: Any = None

    def __call__(self, row: dict[str, Any]) -> None:
        if self._run is not None:
            self._log(row)
            return
        self._begin()
        for record in self._folder.records()[0]:
            self._log(record)

    def _begin(self) -> None:
        name = self._folder.name
        with suppress(ValueError):  # there is no such project yet
            for run in trackio.Api().runs(self._project):
                if run.name == name:
                    run.delete()
        told = self._folder.config().get("config", {})
        self._run = trackio.init(self._project, name, config=told, embed=False)

    def _log(self, row: dict[str, Any]) -> None:
        numbers: dict[str, Any] = {}
        for name, value in row.items():
            if isinstance(value, dict):
                numbers |= {f"{name}/{key}": number for key, number in value.items()}
            elif name != "step":
                numbers[name] = value
        self._run.log(numbers, step=row["step"])
