"""python -m mckd predict: one case, many, bad ones between them, and what one may ask for."""

from __future__ import annotations

import json
import re
import subprocess
import sys

import nibabel
import numpy as np
import pytest
import torch

from mckd.__main__ import main
from mckd.files.checkpoint import load_checkpoint, save_checkpoint
from mckd.tumour import REGIONS, TumourSegmenter, read_case
from mckd.tumour.about import ABOUT
from mckd.tumour.fingerprint import TRAINING_PRINTS, fingerprints
from tests import small_heads
from tests.patience import PATIENCE_S
from tests.predict.results import ROOT, contents, names_in, table


def test_one_case_as_it_is(predict, tmp_path, capsys) -> None:
    case = small_heads.save_case(tmp_path / "cases" / "anna")
    code, out = predict(case)
    assert code == 0
    assert names_in(out / "anna") == {
        "masks/case_mckd_flair-t1-t1c-t2.nii.gz",
        "figures.csv",
        "figures.json",
        "README.txt",
        "SHA256SUMS",
    }
    found = nibabel.load(out / "anna" / "masks" / "case_mckd_flair-t1-t1c-t2.nii.gz")
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
    assert {path.name for path in out.iterdir() if path.is_dir()} == {"a", "c"}
    said = capsys.readouterr()
    assert [line.partition(":")[0] for line in said.out.splitlines()] == ["a", "c"]
    assert "Dice" not in said.out.splitlines()[1]
    (sentence,) = (line for line in said.err.splitlines() if line.startswith("b: "))
    (listed,) = (row for row in table(out / "index.csv") if row["case"] == "b")
    assert (listed["results"], listed["state"], listed["why"]) == (
        "",
        "failed",
        sentence.removeprefix("b: "),
    )
    assert "b_t2.nii.gz is not a NIfTI file" in sentence
    assert "Traceback" not in said.err
    assert "2 of 3 cases" in said.err


def test_subsets_by_name(predict, tmp_path) -> None:
    case = small_heads.save_case(tmp_path / "anna")
    code, out = predict(case, "--subsets", "flair+t1c,T2,t1c+flair")
    assert code == 0
    masks = {path.name for path in (out / "anna" / "masks").iterdir()}
    assert masks == {
        "case_mckd_flair-t1c.nii.gz",
        "case_mckd_t2.nii.gz",
        "case_mckd_flair-t1-t1c-t2.nii.gz",
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
        code, out = predict(tmp_path, "--subsets", "t2", "--replace")
        assert code == 0
        assert "1 of 1 cases" in capsys.readouterr().err
    assert {path.name for path in out.iterdir() if path.is_dir()} == {"anna"}
    (out / "anna").rename(tmp_path / "elsewhere")  # nor are they after they were moved
    code, out = predict(tmp_path, "--subsets", "t2")
    assert code == 0
    assert "1 of 1 cases" in capsys.readouterr().err


def test_results_that_cannot_be_written(predict, tmp_path, capsys) -> None:
    case = small_heads.save_case(tmp_path / "anna", words=("t2",))
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "anna").write_text("a file where the folder should be")
    assert predict(case)[0] == 1
    assert "anna: its results cannot be written" in capsys.readouterr().err


def test_visits_of_two_patients_are_told_apart_everywhere(predict, tmp_path) -> None:
    words = {"P1": ("t2", "flair"), "P2": ("t2",)}
    for patient in words:
        small_heads.save_case(tmp_path / "cases" / patient / "week-000", words=words[patient])
    code, out = predict(tmp_path / "cases")
    assert code == 0
    listed = {row["results"]: row["case"] for row in table(out / "index.csv")}
    assert listed == {"P1/week-000": "P1/week-000", "P2/week-000": "P2/week-000"}
    assert {row["case"] for row in table(out / "figures.csv")} == set(listed)
    (mask,) = (out / "P2" / "week-000" / "masks").iterdir()
    assert mask.name == "case_mckd_t2.nii.gz"
    (mask,) = (out / "P1" / "week-000" / "masks").iterdir()
    assert mask.name == "case_mckd_flair-t2.nii.gz"


def test_two_runs_into_one_folder_never_share_a_case_s(predict, tmp_path, capsys) -> None:
    first = small_heads.save_case(tmp_path / "P1" / "week-000", words=("t1", "t2"))
    second = small_heads.save_case(tmp_path / "P2" / "week-000", words=("t2",))
    predict(first)
    before = contents(tmp_path / "out" / "week-000")
    code, out = predict(second)
    assert code == 0
    assert contents(out / "week-000") == before
    (other,) = {row["results"] for row in table(out / "index.csv")} - {"week-000"}
    assert [path.name for path in (out / other / "masks").iterdir()] == ["case_mckd_t2.nii.gz"]
    capsys.readouterr()
    assert predict(first)[0] == 1
    assert "week-000 is there already. --replace replaces it." in capsys.readouterr().err
    assert contents(out / "week-000") == before
    (first / "week-000_t1.nii.gz").unlink()
    assert predict(first, "--replace")[0] == 0
    names = [path.name for path in (out / "week-000" / "masks").iterdir()]
    assert names == ["case_mckd_t2.nii.gz"]  # nothing is left of the other


def test_names_that_look_alike_get_folders_of_their_own(predict, tmp_path) -> None:
    people = ["张伟", "李娜", "Jos\u00e9", "Jose\u0301", "anna", "Anna", "CON"]
    for person in people:
        small_heads.save(tmp_path / "cases" / person / "x_t2.nii.gz", small_heads.volume("t2"))
    code, out = predict(tmp_path / "cases")
    assert code == 0
    listed = {row["case"]: row["results"] for row in table(out / "index.csv")}
    assert set(listed) == set(people)
    assert len({folder.lower() for folder in listed.values()}) == len(people)
    assert all(folder.isascii() and folder.upper() != "CON" for folder in listed.values())
    assert all((out / folder / "figures.csv").is_file() for folder in listed.values())


def test_no_name_is_in_a_case_s_results_unless_asked_for(predict, tmp_path) -> None:
    folder = tmp_path / "cases" / "Doe^Jane"
    for word in ("t1", "t2", "xyz"):
        name = f"Doe_Jane_{word}.nii.gz"
        small_heads.save(folder / name, small_heads.volume("t2" if word == "xyz" else word))
    _, out = predict(tmp_path / "cases")
    ((_, inside),) = [(p, p) for p in out.iterdir() if p.is_dir()]
    for name, data in contents(inside).items():
        assert b"Doe" not in data, name
        assert "Doe" not in name
    assert "Left out of the case's folder: 1 file" in (inside / "README.txt").read_text()
    assert {row["file"]: row["used_as"] for row in table(out / "files.csv")} == {
        "Doe^Jane/Doe_Jane_t1.nii.gz": "t1",
        "Doe^Jane/Doe_Jane_t2.nii.gz": "t2",
        "Doe^Jane/Doe_Jane_xyz.nii.gz": "",
    }
    predict(tmp_path / "cases", "--names", "--replace")
    assert (inside / "masks" / "Doe_Jane_mckd_t1-t2.nii.gz").is_file()


def test_images_unlike_the_training_are_held_back_unless_asked_for(
    predict, tmp_path, capsys
) -> None:
    noise = np.random.default_rng(0).integers(20, 200, small_heads.SHAPE)
    skull_on = (small_heads.volume("t1") + noise).astype(np.int16)
    small_heads.save(tmp_path / "head" / "x_t1.nii.gz", skull_on)
    code, out = predict(tmp_path / "head", "--prepare", "never", anyway=False)
    said = capsys.readouterr()
    assert code == 3
    assert said.out == ""
    assert (
        "head: held back. Outside training conditions: nearly every voxel has a value" in said.err
    )
    assert "--anyway" in said.err
    assert not (out / "head").exists()
    (row,) = table(out / "index.csv")
    assert row["state"] == "held back"
    code, out = predict(tmp_path / "head")
    said = capsys.readouterr()
    assert code == 0
    assert said.out.startswith("head: ET ")
    assert "head: Outside training conditions: nearly every voxel" in said.err
    for row in table(out / "head" / "figures.csv"):
        assert row["unlike_training"] == "True"
        assert "nearly every voxel has a value" in row["notes"]
    written = json.loads((out / "head" / "figures.json").read_text())
    assert written["unlike_training"] is True
    assert any("nearly every voxel" in note for note in written["notes"])
    assert "nearly every voxel" in (out / "head" / "README.txt").read_text()


def test_runs_at_the_same_moment_do_not_mix(tmp_path) -> None:
    """Two cases of one name, each by two processes at the same moment."""
    code = (
        "import sys; from mckd.files.results import Results; from pathlib import Path\n"
        "out, case, source, text = sys.argv[1:]\n"
        "r = Results(Path(out)); name = r.place(case, source, False)\n"
        "files = {f'{n}.txt': (text * 10).encode() for n in range(50)}\n"
        "r.put(name, files, False); r.tell(case, source, 'done')"
    )
    out = str(tmp_path / "out")
    runs = [
        subprocess.Popen(
            [sys.executable, "-c", code, out, "week", source, text],
            cwd=ROOT,
            stderr=subprocess.DEVNULL,
        )
        for source, text in (("s1", "a"), ("s1", "b"), ("s2", "c"), ("s2", "d"))
    ]
    for run in runs:
        run.wait(PATIENCE_S)
    assert sorted(run.returncode for run in runs) == [0, 0, 1, 1]
    listed = table(tmp_path / "out" / "index.csv")
    assert {row["source"] for row in listed} == {"s1", "s2"}
    for row in listed:
        held = {p.read_text() for p in (tmp_path / "out" / row["results"]).glob("*.txt")}
        assert len(held) == 1


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


@pytest.mark.parametrize(
    ("words", "status", "said"),
    [
        (["predict", "--help"], 0, ["FOLDER", "--subsets", "--map", "exit status", "report.pdf"]),
        (["--help"], 0, ["predict"]),
        (["--version"], 0, ["mckd "]),
        (["predict"], 2, ["required: --out"]),
        (["predict", "--out", "x"], 2, ["give FOLDER, or at least one of"]),
        (["predict", "x", "--out", "y", "--map", "a"], 2, ["is no PATTERN=SLOT"]),
        (["predict", "x", "--out", "y", "--order", "t1,t1"], 2, ["is no order"]),
        (["predict", "x", "--out", "y", "--threads", "0"], 2, ["is no number from 1"]),
    ],
)
def test_help_and_errors_of_the_command_line_load_nothing_heavy(words, status, said) -> None:
    code = (
        f"import sys, runpy; sys.argv[1:] = {words!r}\n"
        "try: runpy.run_module('mckd', run_name='__main__')\n"
        "except SystemExit as end:\n"
        "    heavy = ('numpy', 'torch', 'nibabel', 'scipy', 'matplotlib')\n"
        "    print(end.code, [m for m in heavy if m in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    )
    for word in said:
        assert word in done.stdout + done.stderr
    assert done.stdout.splitlines()[-1] == f"{status} []"


def test_every_flag_has_a_meaning_and_a_default() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "mckd", "predict", "--help"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    flags = re.split(r"\n  (?=-)", done.stdout.partition("DIR gets a folder")[0])[1:]
    told = {flag.split()[0].rstrip(","): " ".join(flag.split()) for flag in flags}
    for name in ("--map", "--order", "--anyway", "--names", "--replace", "--seg", "--threads"):
        assert "default" in told[name] or "(none)" in told[name], name


def test_a_case_seen_in_training_and_a_volume_to_doubt_are_said_on_the_line(
    predict, checkpoint, tmp_path, capsys
) -> None:
    """By its voxels: the folder that the model is told of has another name."""
    seen = read_case(small_heads.save_case(tmp_path / "trained" / "old"))
    kept = load_checkpoint(checkpoint)
    prints = torch.from_numpy(fingerprints(seen.volumes)[None])
    unseen = {"dice": {"t2": {"et": 0.157, "tc": 0.412, "wt": 0.673}}}
    save_checkpoint(
        checkpoint,
        {**kept.tensors, TRAINING_PRINTS: prints},
        kept.header | {"seen": "all", "unseen": unseen},
    )
    small_heads.save_case(tmp_path / "in" / "renamed", words=("t2",))
    status, out = predict(tmp_path / "in")
    assert status == 0
    (line,) = (x for x in capsys.readouterr().out.splitlines() if x.startswith("renamed"))
    assert line.endswith(" [seen in training]")
    et, tc, wt = line.split(", ")
    assert "(unreliable: Dice .16 on unseen cases)" in et
    assert "(rough: Dice .41 on unseen cases)" in tc
    assert "unseen" not in wt
    lines = table(out / "renamed" / "figures.csv")
    assert {row["seen_in_training"] for row in lines} == {"training"}
    assert [row["caution"] for row in lines] == ["unreliable", "rough", ""]


def test_what_a_calibrated_model_says_of_fewer_sequences(tmp_path, capsys) -> None:
    """The bundled one: ranges, and which sequence next."""
    small_heads.save_case(tmp_path / "anna", words=("flair", "t2"))
    assert (
        main(["predict", str(tmp_path / "anna"), "--out", str(tmp_path / "out"), "--anyway"]) == 0
    )
    said = capsys.readouterr().out
    assert re.search(r"WT [\d.]+ mL \([\d.]+ to [\d.]+ at 90 %\)", said)
    assert re.search(r"would most likely raise the Dice|No other sequence is expected", said)
    whole = json.loads((tmp_path / "out" / "anna" / "figures.json").read_text("utf-8"))
    advised = [one["sequence"] for one in whole["subsets"][-1]["advice"]]
    assert set(advised) <= {"t1", "t1c"}
    (row,) = [r for r in table(tmp_path / "out" / "anna" / "figures.csv") if r["region"] == "et"]
    assert row["next_sequence"] == (advised[0] if advised else "")


def test_probabilities_are_files_of_their_own(tmp_path) -> None:
    """Those of the Python interface, within half of 1/255, on the grid of the images."""
    case = small_heads.save_case(tmp_path / "anna", words=("flair", "t2"))
    out = tmp_path / "out"
    words = ["--out", str(out), "--anyway", "--probabilities", "--subsets", "t2"]
    assert main(["predict", str(case), *words]) == 0
    segmenter = TumourSegmenter.load(ABOUT.checkpoint())
    segmenter.set_case(read_case(case))
    for subset in (("flair", "t2"), ("t2",)):
        found = segmenter.predict(subset)
        for k, region in enumerate(REGIONS):
            name = f"case_mckd_{'-'.join(subset)}_{region}.nii.gz"
            image = nibabel.load(out / "anna" / "probabilities" / name)
            np.testing.assert_allclose(image.get_fdata(), found.probabilities[k], atol=0.51 / 255)
            assert image.get_data_dtype() == np.uint8
            flair = nibabel.load(case / "anna_flair.nii.gz")
            np.testing.assert_allclose(image.affine, flair.affine)
    assert "probabilities/: how likely" in (out / "anna" / "README.txt").read_text("utf-8")
