"""Plain Python behind each tab. Nothing here knows Gradio, and importing it imports no torch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mckd import __version__
from mckd.studio.services.folders import Folders
from mckd.studio.services.training import SHARED, Training
from mckd.studio.tasks import Service, open_service
from mckd.tasks import abouts

FILES_IDLE_S = 1800  # a visitor's files are deleted; the page promises it


@dataclass(frozen=True)
class Services:
    """One service per task, that of training, and the files that visitors give to any of them."""

    tasks: Mapping[str, Service]
    training: Training
    folders: Folders

    @classmethod
    def open(
        cls,
        root: Path,
        data: Path | None,
        runs: Path | None,
        private: Path | None = None,
        public: bool = False,
    ) -> Services:
        """The services of the project folder `root`. Loads nothing heavy; see `warm`.

        private: the folder for files of visitors. public: strangers share this computer.
        """
        folders, runs = Folders(private), runs or root / "runs"
        by_name = sorted(abouts(), key=lambda about: about.name)  # as the tabs stand
        return cls(
            tasks={about.key: open_service(about.key, root, folders, runs) for about in by_name},
            training=Training(root, runs=runs, data=data, closed=SHARED if public else ""),
            folders=folders,
        )

    def warm(self) -> None:
        """Load the models. Takes seconds: it runs once the page is up."""
        for service in self.tasks.values():
            service.warm()

    def tend(self) -> None:
        """Delete what nobody asked for in a while, begin what waits. To be called now and then."""
        self.training.advance()
        self.folders.expire(FILES_IDLE_S)
        for service in self.tasks.values():
            service.tend()

    def health(self) -> tuple[bool, dict[str, Any]]:
        """Whether everything that can be loaded is, and a word on each model; of no visitor."""
        models = {key: service.status for key, service in self.tasks.items()}
        loading = "loading" in models.values()
        whole = all(status == "ready" for status in models.values())
        status = "loading" if loading else "ready" if whole else "degraded"
        return not loading, {"status": status, "version": __version__, "models": models}
