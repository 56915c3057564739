"""What the two tabs of this task ask for: cases, their comparison, and what is taken home."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from mckd.studio.services.folders import Folders
from mckd.studio.tasks.tumour.cases import CaseService
from mckd.studio.tasks.tumour.compare import CompareService
from mckd.studio.tasks.tumour.export import ExportService
from mckd.studio.tasks.tumour.follow import FollowService
from mckd.studio.tasks.tumour.solid import SolidService
from mckd.studio.tasks.tumour.systems import SystemsService
from mckd.tumour.about import ABOUT


@dataclass(frozen=True)
class TumourService:
    """One service for what is opened, one for its surfaces, one for its subsets, one for what other
    systems find in it, one for files made of the subsets, one for visits that are compared."""

    cases: CaseService
    solid: SolidService
    compare: CompareService
    systems: SystemsService
    export: ExportService
    follow: FollowService

    @property
    def status(self) -> str:
        return self.cases.status

    def warm(self) -> None:
        """Load the model and what draws exports."""
        self.cases.warm()
        self.export.warm()

    def tend(self) -> None:
        self.cases.tend()


def open_service(root: Path, folders: Folders, runs: Path) -> TumourService:
    """The services of the bundled model and cases below the project folder."""
    cases = CaseService.from_checkpoint(ABOUT.checkpoint(root), ABOUT.assets(root), folders)
    compare = CompareService(cases)
    systems = SystemsService(cases, ABOUT.checkpoint(root).parent / "compared")
    follow = FollowService(cases, ABOUT.assets(root).parent / "visits")
    return TumourService(
        cases, SolidService(cases), compare, systems, ExportService(compare), follow
    )
