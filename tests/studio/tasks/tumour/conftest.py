"""The service of small heads with a stub of a model: `model`, `service`."""

from __future__ import annotations

from pathlib import Path

import pytest

from mckd.studio.services.folders import Folders
from mckd.studio.tasks.tumour.cases import CaseService
from tests import small_heads
from tests.studio.tasks.tumour.stub import Stub


@pytest.fixture(scope="module")
def cases(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("cases")
    for name in ("phantom_a", "phantom_b"):
        small_heads.save_case(folder / name)
    (folder / "phantom_a" / "about.txt").write_text("A small head\n")
    (folder / "notes").mkdir()
    return folder


@pytest.fixture
def model() -> Stub:
    return Stub()


@pytest.fixture
def service(cases: Path, model: Stub, tmp_path: Path) -> CaseService:
    ready = CaseService(lambda: model, cases, Folders(tmp_path / "folders"))
    ready.warm()
    return ready
