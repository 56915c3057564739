"""A GPU that is lent per call: all answers come from one call in another process, or none do."""

from __future__ import annotations

import multiprocessing
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from mckd.studio.services import gpu
from mckd.studio.tasks.tumour import segmentation as module
from mckd.studio.tasks.tumour.cases import CaseService
from mckd.studio.tasks.tumour.desk import Desk
from mckd.tumour import SEQUENCES
from tests import small_heads, untrained


@pytest.fixture
def service(tmp_path: Path) -> CaseService:
    """A real network with random weights, and one small head."""
    untrained.save_tumour(tmp_path / "x.safetensors")
    small_heads.save_case(tmp_path / "cases" / "head")
    ready = CaseService.from_checkpoint(tmp_path / "x.safetensors", tmp_path / "cases")
    ready.warm()
    return ready


def lent(model: Any, case: Any) -> Any:
    """`on_gpu` in a process of its own: what goes in and comes out is pickled."""
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        return pool.apply(there, (model, case))


def there(model: Any, case: Any) -> Any:
    return module.on_gpu(model, case)  # the real one: this process is a fresh one


def open_head(service: CaseService) -> Desk:
    desk = Desk()
    (*_, last) = service.open(desk, service.sources.bundled("head"))
    assert last.answer is not None, last
    return desk


def test_one_call_answers_every_subset_as_the_cpu_does(
    service: CaseService, monkeypatch: pytest.MonkeyPatch
) -> None:
    desk = open_head(service)
    subsets = ["t1"], ["flair", "t2"], list(SEQUENCES)
    here = [service.switch(desk, used) for used in subsets]
    expected = [update.answer for update in here if update and update.answer]

    monkeypatch.setattr(gpu, "LENT", True)
    monkeypatch.setattr(module, "on_gpu", lent)
    service.shelf.forget(desk.owner)
    desk = open_head(service)
    opened = service.opened(desk)
    assert opened is not None
    assert opened.encoded is None  # nothing was worked out here
    assert len(opened.answers) == 15
    for answer in expected:
        assert opened.answers[answer.used].labels == answer.labels
        assert opened.answers[answer.used].rows == answer.rows


def test_without_one_to_spare_it_is_done_here(
    service: CaseService, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def none_to_spare(*_: Any) -> Any:
        raise RuntimeError("You have exceeded your GPU quota")

    monkeypatch.setattr(gpu, "LENT", True)
    monkeypatch.setattr(module, "on_gpu", none_to_spare)
    opened = service.opened(open_head(service))
    assert opened is not None
    assert opened.encoded is not None
    assert "No GPU was lent." in caplog.text


def test_only_where_one_is_lent_is_the_lender_asked(tmp_path: Path) -> None:
    (tmp_path / "spaces.py").write_text(
        "def GPU(duration):\n    return lambda function: ('lent', duration, function.__name__)\n"
    )
    ask = (
        "from mckd.studio.services import gpu; "
        "from mckd.studio.tasks.tumour.segmentation import on_gpu; print(gpu.LENT, on_gpu)"
    )
    said = {
        lent: subprocess.run(
            [sys.executable, "-c", ask],
            capture_output=True,
            text=True,
            check=True,
            cwd=Path(__file__).parents[4],
            env={"PYTHONPATH": str(tmp_path), "SPACES_ZERO_GPU": lent},
        ).stdout
        for lent in ("true", "")
    }
    assert said["true"].strip() == "True ('lent', 20, 'on_gpu')"
    assert said[""].startswith("False <function on_gpu")
