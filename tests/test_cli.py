"""python -m mckd predict: one case, many, bad ones between them, and what one may ask for."""

from __future__ import annotations

import io
import json
import subprocess
import sys
from pathlib import Path

import nibabel
import numpy as np
import pytest
import torch

from mckd.__main__ import Progress, main
from mckd.files.checkpoint import save_checkpoint
from mckd.tumour import SEQUENCES
from mckd.tumour.network import DESIGNS, Design, TumourNetwork
from tests import small_heads

ROOT = Path(__file__).parents[1]


@pytest.fixture
def checkpoint(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A small network with random weights."""
    monkeypatch.setitem(DESIGNS, "tiny", Design(2, (4, 8), (0, 1), told=True))
    torch.manual_seed(3)
    network = TumourNetwork(DESIGNS["tiny"])
    for weights in network.parameters():
        weights.data += 0.1 * torch.randn(weights.shape)
    tensors = {f"network/{name}": tensor for name, tensor in network.state_dict().items()}
    path = tmp_path / "model" / "tiny.safetensors"
    header = {"network": "tiny", "modalities": list(SEQUENCES), "normalisation": "softmax"}
    save_checkpoint(path, {**tensors, "iwv": torch.zeros(4)}, header)
    return path


@pytest.fixture
def predict(tmp_path: Path, checkpoint: Path):
    """predict(folder, ...): the exit code and the folder of results."""

    def predict(folder: Path, *options: str) -> tuple[int, Path]:
        out = tmp_path / "out"
        words = ["predict", str(folder), "--out", str(out), "--checkpoint", str(checkpoint)]
        return main([*words, *options]), out

    return predict


def names_in(folder: Path) -> set[str]:
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}


def test_one_case_as_it_is(predict, tmp_path, capsys) -> None:
    case = small_heads.save_case(tmp_path / "cases" / "anna")
    code, out = predict(case)
    assert code == 0
    assert names_in(out / "anna") == {
        "masks/anna_mckd_flair-t1-t1c-t2.nii.gz",
        "figures.csv",
        "figures.json",
        "README.txt",
        "SHA256SUMS",
    }
    found = nibabel.load(out / "anna" / "masks" / "anna_mckd_flair-t1-t1c-t2.nii.gz")
    assert found.shape == nibabel.load(case / "anna_flair.nii.gz").shape
    assert set(np.unique(np.asarray(found.dataobj))) <= {0, 1, 2, 4}
    said = capsys.readouterr()
    assert said.out.startswith("anna: ET ")
    assert said.out.count("\n") == 1
    assert "Dice" in said.out
    assert "1 of 1 cases" in said.err


def test_a_bad_case_costs_one_sentence(predict, tmp_path, capsys) -> None:
    cases = tmp_path / "cases"
    small_heads.save_case(cases / "a")
    small_heads.save_case(cases / "b")
    (cases / "b" / "b_t2.nii.gz").write_bytes(b"no gzip, no NIfTI")
    small_heads.save_case(cases / "c", reference=False, words=("t1", "flair"))
    code, out = predict(cases)
    assert code == 1
    assert {path.name for path in out.iterdir()} == {"a", "c"}
    said = capsys.readouterr()
    assert [line.partition(":")[0] for line in said.out.splitlines()] == ["a", "c"]
    assert "Dice" not in said.out.splitlines()[1]
    (sentence,) = (line for line in said.err.splitlines() if line.startswith("b: "))
    assert "b_t2.nii.gz is not a NIfTI file" in sentence
    assert "Traceback" not in said.err
    assert "2 of 3 cases" in said.err


def test_subsets_by_name(predict, tmp_path) -> None:
    case = small_heads.save_case(tmp_path / "anna")
    code, out = predict(case, "--subsets", "flair+t1c,T2,t1c+flair")
    assert code == 0
    masks = {path.name for path in (out / "anna" / "masks").iterdir()}
    assert masks == {
        "anna_mckd_flair-t1c.nii.gz",
        "anna_mckd_t2.nii.gz",
        "anna_mckd_flair-t1-t1c-t2.nii.gz",
    }
    assert json.loads((out / "anna" / "figures.json").read_text())["contributions"] is None


def test_a_report_compares_every_subset(predict, tmp_path) -> None:
    case = small_heads.save_case(tmp_path / "anna", words=("t1", "t1ce"), reference=False)
    code, out = predict(case, "--report")
    assert code == 0
    written = names_in(out / "anna")
    assert {"report.pdf", "key_slices.png", "contributions.csv"} <= written
    assert len([name for name in written if name.startswith("masks/")]) == 3


def test_a_case_without_the_sequences_asked_for(predict, tmp_path, capsys) -> None:
    case = small_heads.save_case(tmp_path / "anna", words=("t1", "t2"))
    code, out = predict(case, "--subsets", "flair+t1c")
    assert code == 1
    assert not (out / "anna").exists()
    assert "It has t1, t2, so none of the subsets asked for: flair+t1c." in capsys.readouterr().err


def test_results_beside_the_cases_are_no_cases(predict, tmp_path, capsys) -> None:
    small_heads.save_case(tmp_path / "anna", words=("t2",))
    for _ in range(2):  # the second time the folder holds the masks of the first
        code, out = predict(tmp_path, "--subsets", "t2")
        assert code == 0
        assert "1 of 1 cases" in capsys.readouterr().err
    assert {path.name for path in out.iterdir()} == {"anna"}


def test_results_that_cannot_be_written(predict, tmp_path, capsys) -> None:
    case = small_heads.save_case(tmp_path / "anna", words=("t2",))
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "anna").write_text("a file where the folder should be")
    assert predict(case)[0] == 1
    assert "anna: its results cannot be written" in capsys.readouterr().err


def test_two_cases_of_one_name(predict, tmp_path) -> None:
    for visit in ("first", "second"):
        small_heads.save_case(tmp_path / "cases" / visit / "anna", words=("t2",))
    code, out = predict(tmp_path / "cases")
    assert code == 0
    assert {path.name for path in out.iterdir()} == {"anna", "anna_2"}


def test_what_cannot_be_begun(predict, tmp_path, capsys) -> None:
    assert predict(tmp_path / "nowhere")[0] == 2
    assert "There is no" in capsys.readouterr().err
    (tmp_path / "empty").mkdir()
    assert predict(tmp_path / "empty")[0] == 2
    assert "no NIfTI file" in capsys.readouterr().err
    case = small_heads.save_case(tmp_path / "anna")
    assert predict(case, "--checkpoint", str(tmp_path / "none.safetensors"))[0] == 2
    assert "There is no checkpoint none.safetensors" in capsys.readouterr().err
    (tmp_path / "out").write_text("a file where the folder should be")
    assert predict(case)[0] == 2
    assert "cannot be made" in capsys.readouterr().err
    with pytest.raises(SystemExit) as stopped:
        predict(case, "--subsets", "flair+adc")
    assert stopped.value.code == 2
    assert "'adc' is no sequence" in capsys.readouterr().err


def test_help_needs_no_model_and_says_what_is_written() -> None:
    code = (
        "import sys, runpy; sys.argv[1:] = ['predict', '--help']\n"
        "try: runpy.run_module('mckd', run_name='__main__')\n"
        "except SystemExit: print([m for m in ('torch', 'matplotlib') if m in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    )
    for word in ("FOLDER", "--subsets", "--report", "exit status", "report.pdf"):
        assert word in done.stdout
    assert done.stdout.splitlines()[-1] == "[]"


class Screen(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_progress_stays_on_one_line_of_a_screen(capsys) -> None:
    screen = Screen()
    progress = Progress(2, stream=screen)
    progress.begin("first")
    progress.reach(1, 0.5, "the model reads the images")
    progress.end("first: done")
    progress.begin("second")
    shown = screen.getvalue()
    assert "\n" not in shown
    assert "[1/2] first: the model reads the images, " in shown
    assert " left" in shown
    assert shown.endswith("left")
    assert capsys.readouterr().out == "first: done\n"


def test_progress_in_a_log_is_a_line_per_case() -> None:
    log = io.StringIO()
    progress = Progress(2, stream=log)
    progress.begin("first")
    progress.reach(2, 0.5, "subset 3 of 14")
    progress.fail("first: it is damaged.")
    assert log.getvalue().splitlines() == ["[1/2] first: reading", "first: it is damaged."]
