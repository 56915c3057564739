"""Plain Python behind each tab. Nothing here knows Gradio, and importing it imports no torch."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mckd import __version__
from mckd.studio.services.compare import CompareService
from mckd.studio.services.digits import DigitService
from mckd.studio.services.export import ExportService
from mckd.studio.services.folders import Folders
from mckd.studio.services.training import SHARED, Training
from mckd.studio.services.tumour import TumourService


@dataclass(frozen=True)
class Services:
    """One service per tab; the page hands all of them to every tab."""

    tumour: TumourService
    compare: CompareService
    export: ExportService
    digits: DigitService
    training: Training

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
        folders = Folders(private)
        tumour = TumourService.from_checkpoint(
            root / "checkpoints" / "tumour.safetensors",
            cases=root / "assets" / "tumour",
            folders=folders,
        )
        compare = CompareService(tumour)
        return cls(
            tumour=tumour,
            compare=compare,
            export=ExportService(compare),
            digits=DigitService.from_checkpoint(
                root / "checkpoints" / "digits.safetensors",
                examples=root / "assets" / "digits" / "examples",
                folders=folders,
            ),
            training=Training(root, runs=runs, data=data, closed=SHARED if public else ""),
        )

    def warm(self) -> None:
        """Load the models and what draws exports. Takes seconds: it runs once the page is up."""
        self.tumour.warm()
        self.digits.warm()
        self.export.warm()

    def tend(self) -> None:
        """Delete what nobody asked for in a while. To be called now and then."""
        self.tumour.tend()

    def health(self) -> tuple[bool, dict[str, Any]]:
        """Whether everything that can be loaded is, and a word on each model; of no visitor."""
        models = {"tumour": self.tumour.status, "digits": self.digits.status}
        loading = "loading" in models.values()
        whole = all(status == "ready" for status in models.values())
        status = "loading" if loading else "ready" if whole else "degraded"
        return not loading, {"status": status, "version": __version__, "models": models}
