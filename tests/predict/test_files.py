"""python -m mckd predict: what files are taken for, what is asked, what is left out."""

from __future__ import annotations

import json
import re

import numpy as np
import pytest

from tests import small_heads
from tests.predict.results import table


def test_what_a_name_leaves_open_is_asked_and_answered_by_flags(predict, tmp_path, capsys) -> None:
    folder = tmp_path / "anna"
    small_heads.save(folder / "T1_xyz.nii.gz", small_heads.volume("t1ce"))
    small_heads.save(folder / "FLAIR.nii.gz", small_heads.volume("flair"))
    code, out = predict(folder)
    said = capsys.readouterr().err
    assert code == 1
    assert "What T1_xyz.nii.gz is has to be said" in said
    assert "--map T1_xyz.nii.gz=t1 (or t1c, none)" in said
    assert not (out / "anna").exists()
    assert predict(folder, "--map", "*_xyz*=t1c")[0] == 0
    assert (out / "anna" / "masks" / "case_mckd_flair-t1c.nii.gz").is_file()
    assert predict(folder, "--map", "*_xyz*=none", "--replace")[0] == 0
    assert (out / "anna" / "masks" / "case_mckd_flair.nii.gz").is_file()
    assert predict(folder, "--map", "*_abc*=none", "--replace")[0] == 2
    assert "--map *_abc*=none fits none of the files" in capsys.readouterr().err


def test_files_one_by_one(predict, tmp_path, capsys) -> None:
    a = small_heads.save(tmp_path / "P1" / "one.nii.gz", small_heads.volume("t1ce"))
    b = small_heads.save(tmp_path / "P1" / "two.nii.gz", small_heads.volume("t2"))
    seg = small_heads.save(tmp_path / "P1" / "three.nii.gz", small_heads.labels())
    code, out = predict("--t1c", a, "--t2", b, "--seg", seg)
    assert code == 0
    assert (out / "P1" / "masks" / "case_mckd_t1c-t2.nii.gz").is_file()
    assert "Dice" in capsys.readouterr().out
    other = small_heads.save(tmp_path / "P1" / "four.nii.gz", small_heads.volume("flair"))
    assert predict("--flair", other, "--replace")[0] == 0  # another case, so nothing is replaced
    assert predict(other, "--map", "*=flair", "--replace")[0] == 0
    assert predict(b, "--map", "*=t2", "--replace")[0] == 0
    assert (out / "P1" / "masks" / "case_mckd_t1c-t2.nii.gz").is_file()
    assert len(table(out / "index.csv")) == 3
    assert len(table(out / "files.csv")) == 5
    assert predict("--flair", tmp_path / "nowhere.nii.gz")[0] == 2
    assert "nowhere.nii.gz, given as --flair" in capsys.readouterr().err
    for words in (["--seg", seg], [tmp_path, "--t1", a], []):
        with pytest.raises(SystemExit) as stopped:
            predict(*words)
        assert stopped.value.code == 2


def test_numbered_files_ask_for_their_order(predict, tmp_path, capsys) -> None:
    folder = tmp_path / "imagesTs"
    for number, word in enumerate(("t2", "t1ce")):
        small_heads.save(folder / f"P1_{number:04d}.nii.gz", small_heads.volume(word))
    assert predict(tmp_path)[0] == 1
    assert "--order flair,t1,t1c,t2" in capsys.readouterr().err
    code, out = predict(tmp_path, "--order", "t2,t1c")
    assert code == 0
    assert (out / "imagesTs" / "P1" / "masks" / "case_mckd_t1c-t2.nii.gz").is_file()
    names = {"channel_names": {"0": "T2w", "1": "none"}}
    (tmp_path / "dataset.json").write_text(json.dumps(names).replace("none", "T1 Gd"))
    assert predict(tmp_path, "--replace")[0] == 0
    (tmp_path / "dataset.json").write_text(json.dumps(names))
    assert predict(tmp_path, "--replace")[0] == 1  # a name that says nothing


def test_labels_beside_an_images_folder_are_found(predict, tmp_path, capsys) -> None:
    for number in (1, 2):
        name = f"BRATS_00{number}.nii.gz"
        volumes = [small_heads.volume(word) for word in small_heads.WORDS]
        small_heads.save(tmp_path / "imagesTr" / name, np.stack(volumes, -1), axes="RAS")
        small_heads.save(tmp_path / "labelsTr" / name, small_heads.labels(), axes="RAS")
    assert predict(tmp_path / "imagesTr" / "BRATS_001.nii.gz")[0] == 0
    assert capsys.readouterr().out.count("Dice") == 3
    code, out = predict(tmp_path / "imagesTr")
    assert code == 0
    assert capsys.readouterr().out.count("Dice") == 6
    assert {row["case"] for row in table(out / "index.csv")} == {
        "imagesTr/BRATS_001",
        "imagesTr/BRATS_002",
    }


def test_a_name_that_cannot_be_read_is_printed_plainly_and_its_flag_fits(
    predict, tmp_path, capsys
) -> None:
    small_heads.save(tmp_path / "a\x1b[31m" / "T1_\x07[x]_qq.nii.gz", small_heads.volume("t1"))
    assert predict(tmp_path)[0] == 1
    said = capsys.readouterr().err
    assert "\x1b" not in said
    assert "\x07" not in said
    flag = re.search(r"--map ('[^']+')", said)[1].strip("'")
    assert flag.endswith("=t1")
    assert predict(tmp_path, "--map", flag)[0] == 0


def test_links_are_followed_and_broken_ones_said(predict, tmp_path, capsys) -> None:
    small_heads.save_case(tmp_path / "store" / "anna", words=("t2", "flair"))
    cases = tmp_path / "cases"
    cases.mkdir()
    (cases / "anna").symlink_to("../store/anna")
    (cases / "loop").symlink_to("../cases")
    (tmp_path / "store" / "anna" / "anna_t1ce.nii.gz").symlink_to("nowhere.nii.gz")
    code, out = predict(cases)
    said = capsys.readouterr()
    assert code == 0
    assert [line.partition(":")[0] for line in said.out.splitlines()] == ["anna"]
    assert "anna: anna/anna_t1ce.nii.gz points to nothing." in said.err
    listed = {row["file"]: row["why"] for row in table(out / "files.csv") if not row["used_as"]}
    assert listed == {
        "anna/anna_t1ce.nii.gz": "the link points to nothing",
        "loop": "a link to a folder that is taken already",
    }
    notes = table(out / "anna" / "figures.csv")[0]["notes"]
    assert "Left out of the case's folder: 1 file (the link points to nothing)." in notes


def test_everything_that_looks_like_an_image_is_listed(predict, tmp_path) -> None:
    cases = tmp_path / "cases"
    small_heads.save_case(cases / "anna", words=("t2",), reference=False)
    for name in ("anna_mask.nii.gz", "a.hdr", "a.img", "b.mgz", "c.zip", "._anna_t2.nii.gz"):
        (cases / "anna" / name).write_bytes(b"x")
    (cases / "dicom").mkdir()
    for number in range(3):
        (cases / "dicom" / f"IM{number}").write_bytes(bytes(128) + b"DICM")
    (cases / "dicom" / "notes.txt").write_text("x")
    code, out = predict(cases)
    assert code == 0
    listed = {row["file"]: row["why"] for row in table(out / "files.csv") if not row["used_as"]}
    assert set(listed) == {
        *(f"anna/{name}" for name in ("anna_mask.nii.gz", "a.hdr", "a.img", "b.mgz", "c.zip")),
        "anna/._anna_t2.nii.gz",
        "dicom/*",
    }
    assert listed["dicom/*"] == "DICOM: no image among them"
    assert "mri_convert" in listed["anna/b.mgz"]
