"""Which runs there are: the folders of this project, and those that came with it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from mckd.studio.services.records import RECORDS_NAME
from mckd.tasks import abouts

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")


@dataclass(frozen=True)
class Run:
    """A run folder in the list. `id` is the only thing a browser may send back."""

    id: str
    label: str
    path: Path
    bundled: bool = False


class Runs:
    """The runs below one folder, and the bundled ones of the project."""

    def __init__(self, root: Path, folder: Path) -> None:
        """root: of the project. folder: where own runs lie."""
        self.root, self.folder = root, folder

    def all(self) -> list[Run]:
        """Own runs, newest first, then the bundled ones. Folders that vanish are left out."""
        found: list[tuple[float, Run]] = []
        for path in self.own():
            try:
                started = (path / "config.json").stat().st_mtime
            except OSError:
                try:
                    started = path.stat().st_mtime
                except OSError:
                    continue
            found.append((started, Run(path.name, path.name, path)))
        found.sort(key=lambda item: (item[0], item[1].id), reverse=True)
        return [run for _, run in found] + self._bundled()

    def find(self, run_id: object) -> Run | None:
        """The run of that id, or None. Ids are matched against the list, never joined to a path."""
        if not isinstance(run_id, str):
            return None
        for run in self._bundled():
            if run.id == run_id:
                return run
        for path in self.own():
            if path.name == run_id:
                return Run(path.name, path.name, path)
        return None

    def own(self) -> list[Path]:
        """Folders with names that runs have; a link that leads nowhere, or in a circle, is none."""
        try:
            paths = list(self.folder.iterdir())
        except OSError:
            return []
        return [path for path in paths if _NAME.fullmatch(path.name) and _is_folder(path)]

    def path(self, name: str) -> Path:
        """Where a run of that name lies, or is to lie.

        Raises:
            ValueError: a name that runs do not have.
        """
        if not _NAME.fullmatch(name):
            raise ValueError("Run names are letters, digits, dots, dashes and underscores.")
        return self.folder / name

    def make(self, name: str) -> str:
        """Create the folder of a run, with a number after its name where that is taken.

        Returns:
            The name.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        for number in range(1, 100):
            candidate = name if number == 1 else f"{name}-{number}"
            try:
                (self.folder / candidate).mkdir()
                return candidate
            except FileExistsError:
                continue
        raise ValueError("Could not find a free name for the run. Please try again.")

    def _bundled(self) -> list[Run]:
        found = []
        for task in abouts():
            path = task.run(self.root)
            if (path / RECORDS_NAME).is_file():
                run_id = f"bundled:{task.key}"  # the colon keeps it apart from folder names
                label = f"Bundled: the {task.key} run that came with the app"
                found.append(Run(run_id, label, path, bundled=True))
        return found


def _is_folder(path: Path) -> bool:
    try:
        return path.is_dir()
    except OSError:
        return False
