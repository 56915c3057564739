"""Plain Python behind each tab. Nothing here knows Gradio, and importing it imports no torch."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from mckd.studio.services.compare import CompareService
from mckd.studio.services.digits import DigitService
from mckd.studio.services.training import Training
from mckd.studio.services.tumour import TumourService


@dataclass(frozen=True)
class Services:
    """One service per tab; the page hands all of them to every tab."""

    tumour: TumourService
    compare: CompareService
    digits: DigitService
    training: Training

    @classmethod
    def open(cls, root: Path, data: Path | None, runs: Path | None) -> Services:
        """The services of the project folder `root`. Loads nothing heavy; see `warm`."""
        tumour = TumourService.from_checkpoint(
            root / "checkpoints" / "tumour.safetensors", cases=root / "assets" / "tumour"
        )
        return cls(
            tumour=tumour,
            compare=CompareService(tumour),
            digits=DigitService.from_checkpoint(
                root / "checkpoints" / "digits.safetensors",
                examples=root / "assets" / "digits" / "examples",
            ),
            training=Training(root, runs=runs, data=data),
        )

    def warm(self) -> None:
        """Load the models. Takes seconds, so it runs once the page is up."""
        self.tumour.warm()
        self.digits.warm()
