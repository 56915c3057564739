"""Which files make one case and what each is, by how they lie: worked out by hand."""

from __future__ import annotations

import json
import os
import struct
from pathlib import Path

import pytest

from mckd.tumour import find_cases, read_case
from mckd.tumour.layout import Group, Layout, Rules, layout_of
from mckd.tumour.naming import CaseError
from mckd.tumour.survey import NO_TARGET, survey


def laid(*names: str, **more: object) -> Layout:
    return layout_of([f"{name}.nii.gz" for name in names], **more)  # type: ignore[arg-type]


def slots(*names: str, **more: object) -> dict[str, dict[str, str]]:
    """{case: {file without its ending: slot}}, of cases that nothing has to be asked about."""
    return {
        case.name: {path.removesuffix(".nii.gz"): slot for path, slot in case.slots.items()}
        for case in laid(*names, **more).cases
        if not case.question
    }


def asked(*names: str, **more: object) -> Group:
    """The only case, about which something has to be asked."""
    (case,) = laid(*names, **more).cases
    assert case.question
    return case


class TestCasesSideBySide:
    def test_by_what_stands_before_the_sequence(self):
        assert slots("caseA_flair", "caseA_t1", "caseB_flair", "caseB_T1_post") == {
            "caseA": {"caseA_flair": "flair", "caseA_t1": "t1"},
            "caseB": {"caseB_flair": "flair", "caseB_T1_post": "t1c"},
        }

    def test_two_people_are_never_one_case(self):
        """Even where no sequence is there twice, so that they would fit together."""
        assert set(slots("sub-01_FLAIR", "sub-02_T1w")) == {"sub-01", "sub-02"}
        assert set(slots("patient7_flair", "patient8_t2")) == {"patient7", "patient8"}

    def test_visits_of_one_person(self):
        names = ("BraTS-GLI-00000-000-t1n", "BraTS-GLI-00000-001-t1n")
        assert set(slots(*names)) == {"BraTS-GLI-00000-000", "BraTS-GLI-00000-001"}

    def test_names_of_people_with_more_than_one_sequence(self):
        names = ("mueller_flair", "mueller_t1", "schmidt_flair", "schmidt_t1")
        assert set(slots(*names)) == {"mueller", "schmidt"}

    def test_a_folder_for_each_sequence_of_all_people(self):
        assert slots("FLAIR/P1", "FLAIR/P2", "T1/P1", "T1/P2") == {
            "P1": {"FLAIR/P1": "flair", "T1/P1": "t1"},
            "P2": {"FLAIR/P2": "flair", "T1/P2": "t1"},
        }

    def test_a_folder_named_after_what_it_shows_is_none_of_a_sequence(self):
        names = ("glioma_t1c/brain1_T1_GD", "glioma_t1c/brain2_T1_GD", "meningioma/x_t2")
        assert set(slots(*names)) == {"glioma_t1c/brain1", "glioma_t1c/brain2", "meningioma"}

    def test_numbers_of_series_make_no_cases(self):
        assert slots("001_T1", "002_T1_Gd", "003_FLAIR") == {
            "": {"001_T1": "t1", "002_T1_Gd": "t1c", "003_FLAIR": "flair"}
        }
        assert "001_T1.nii.gz and 002_T1.nii.gz both" in asked("001_T1", "002_T1").question
        assert "5_T1.nii.gz and 6_T1.nii.gz both" in asked("5_T1", "6_T1", "7_T2").question
        behind = ("AX_FLAIR_20200101_5", "AX_T1_20200101_6", "AX_T2_20200101_3", "AX_T2_20200101_4")
        assert "AX_T2_20200101_4.nii.gz both look like T2" in asked(*behind).question

    def test_a_word_that_may_mean_contrast_makes_no_case(self):
        assert set(asked("a_flair", "a_t1", "a_T1_xyz").asks) == {"a_T1_xyz.nii.gz"}
        assert len(asked("anna_t1", "bert_t1").asks) == 2


class TestOneCase:
    def test_a_folder_for_each_sequence(self):
        names = ("P1/T1/dicom_301", "P1/T1_KM/401", "P1/FLAIR/501", "P1/T2/image")
        assert list(slots(*names).values()) == [
            dict(zip(sorted(names), ("flair", "t1", "t1c", "t2"), strict=True))
        ]

    def test_folders_of_series_with_their_numbers(self):
        """As archives and dcm2niix name them; other images lie beside."""
        names = ("3.000-T1 AXIAL-12/a", "4.000-T1post AXIAL-22/a", "5.000-FLAIRaxial-32/a")
        found = laid(*(f"P1/1992-07-11-NA/{name}" for name in (*names, "6.000-ADC-11/a")))
        (case,) = found.cases
        assert (case.name, case.question) == ("P1/1992-07-11-NA", "")
        assert [*case.slots.values()] == ["t1", "t1c", "flair"]
        assert [*found.left] == ["P1/1992-07-11-NA/6.000-ADC-11/a.nii.gz"]

    def test_folders_within_those_of_the_sequences(self):
        folders = ("1_T1", "2_T1GD", "3_T2", "4_FLAIR", "SEGMENTATION")
        (case,) = slots(*(f"EGD-0001/{folder}/NIFTI/image" for folder in folders)).values()
        assert [*case.values()] == ["t1", "t1c", "t2", "flair", "seg"]

    def test_the_folder_around_them_is_the_case(self, tmp_path):
        for folder in ("1_T1", "4_FLAIR"):
            path = tmp_path / "EGD-0001" / folder / "NIFTI" / "image.nii.gz"
            path.parent.mkdir(parents=True)
            path.touch()
        assert find_cases(tmp_path) == [tmp_path / "EGD-0001"]

    def test_visits_within_the_folders_of_the_sequences(self):
        found = slots(*(f"P1/{s}/visit{v}/image" for s in ("FLAIR", "T1") for v in (1, 2)))
        assert found == {
            f"P1/visit{v}": {f"P1/FLAIR/visit{v}/image": "flair", f"P1/T1/visit{v}/image": "t1"}
            for v in (1, 2)
        }

    def test_what_may_be_contrast_within_the_folder_of_a_sequence_is_asked(self):
        alone = laid("P1/T1/pre/image", "P1/T1/later/image", "P1/FLAIR/image")
        assert {case.name for case in alone.cases if case.question} == {"P1/T1/pre", "P1/T1/later"}
        both = asked("P1/T1/post/image", "P1/FLAIR/post/image")
        assert set(both.asks) == {"P1/T1/post/image.nii.gz"}

    def test_an_unclear_folder_of_a_sequence_holds_its_case_up(self):
        case = asked("P1/T1_XYZ/image", "P1/FLAIR/image")
        assert set(case.asks) == {"P1/T1_XYZ/image.nii.gz"}
        assert case.flags == ("--map P1/T1_XYZ/image.nii.gz=t1 (or t1c, none)",)

    def test_bids(self):
        names = (
            "sub-01/anat/sub-01_T1w",
            "sub-01/anat/sub-01_FLAIR",
            "sub-01/dwi/sub-01_dwi",
            "sub-01/fmap/sub-01_magnitude1",
            "sub-02/ses-1/anat/sub-02_ses-1_T1w",
            "sub-02/ses-2/anat/sub-02_ses-2_T1w",
            "sub-02/ses-2/func/sub-02_ses-2_task-rest_bold",
            "derivatives/x/sub-01/anat/sub-01_desc-brain_T1w",
        )
        assert set(slots(*names)) == {"sub-01", "sub-02/ses-1", "sub-02/ses-2"}
        left = laid(*names).left
        assert {path.split("/")[-2] for path in left} == {"dwi", "fmap", "func", "anat"}
        assert all("BIDS" in why for why in left.values())

    def test_two_runs_are_asked_about(self):
        case = asked("sub-01/anat/sub-01_run-1_T1w", "sub-01/anat/sub-01_run-2_T1w")
        assert "both look like T1 without contrast" in case.question
        assert case.flags == ("--map sub-01/anat/sub-01_run-1_T1w.nii.gz=none",)

    def test_what_need_not_be_known_does_not_hold_it_up(self):
        layout = laid("a_flair", "a_t1", "a_T1_seg", "a_brain_mask", "scan")
        (case,) = layout.cases
        assert not case.question
        assert set(case.spare) == {"a_T1_seg.nii.gz", "scan.nii.gz"}
        assert set(layout.left) == {"a_T1_seg.nii.gz", "scan.nii.gz", "a_brain_mask.nii.gz"}

    def test_labels_alone_are_no_case(self):
        assert laid("labels/a_seg") == Layout(
            (), {"labels/a_seg.nii.gz": "labels without an image"}
        )

    def test_rules_say_more_than_names(self):
        rules = Rules((("*_xyz.nii.gz", "t1c"), ("P1/*", "none")))
        assert slots("a_xyz", "a_t1", "P1/x_t2", rules=rules) == {
            "": {"a_xyz": "t1c", "a_t1": "t1"}
        }

    def test_msd(self):
        layout = laid("imagesTr/BRATS_001", "labelsTr/BRATS_001", "labelsTr/BRATS_009")
        (case,) = layout.cases
        assert case.slots == {
            "imagesTr/BRATS_001.nii.gz": "stack",
            "labelsTr/BRATS_001.nii.gz": "seg",
        }
        assert "labelsTr/BRATS_009.nii.gz" in layout.left


class TestNumberedFiles:
    NAMES = ("imagesTr/P1_0000", "imagesTr/P1_0001", "labelsTr/P1")

    def test_the_order_is_asked(self):
        case = asked(*self.NAMES)
        assert "P1_0000.nii.gz to P1_0001.nii.gz" in case.question
        assert case.flags[0].startswith("--order ")

    def test_the_order_is_told(self):
        wanted = {"imagesTr/P1_0000": "t2", "imagesTr/P1_0001": "t1c", "labelsTr/P1": "seg"}
        rules = Rules(order=("t2", "t1c"))
        assert slots(*self.NAMES, rules=rules) == {"imagesTr/P1": wanted}
        channels = {"imagesTr": ("t2", "t1c")}
        assert slots(*self.NAMES, channels=channels) == {"imagesTr/P1": wanted}

    def test_fewer_are_told_than_there_are(self):
        assert asked(*self.NAMES, rules=Rules(order=("flair",))).asks

    @pytest.mark.parametrize(
        "about",
        [
            {"channel_names": {"0": "FLAIR", "1": "T1 Gd"}},
            {"modality": {"0": "flair", "1": "t1ce"}},
        ],
    )
    def test_a_dataset_json_tells_it(self, heads, tmp_path: Path, about):
        for number in range(2):
            heads.write(tmp_path / "imagesTs" / f"P1_{number:04}.nii.gz", heads.head(number))
        (tmp_path / "dataset.json").write_text(json.dumps(about))
        (case,) = survey(tmp_path).layout.cases
        assert [*case.slots.values()] == ["flair", "t1c"]

    @pytest.mark.parametrize("about", ["", "[]", "[" * 5000, '{"channel_names": {"0": "noNorm"}}'])
    def test_a_dataset_json_that_tells_nothing(self, heads, tmp_path: Path, about):
        heads.write(tmp_path / "imagesTs" / "P1_0000.nii.gz", heads.head())
        (tmp_path / "dataset.json").write_text(about)
        assert survey(tmp_path).layout.cases[0].question


class TestOnDisk:
    def test_links_are_followed_once(self, heads, tmp_path: Path):
        heads.write_case(tmp_path / "store" / "case")
        (tmp_path / "a_link").symlink_to("store/case")
        (tmp_path / "store" / "case" / "loop").symlink_to("../..")
        found = survey(tmp_path).layout
        assert [case.name for case in found.cases] == ["store/case"]
        assert set(found.left) == {"a_link", "store/case/loop"}
        assert [*survey(tmp_path / "store").layout.cases] != []

    def test_a_linked_case_is_found(self, heads, tmp_path: Path):
        heads.write_case(tmp_path / "store" / "case")
        (tmp_path / "linked").mkdir()
        (tmp_path / "linked" / "one").symlink_to("../store/case")
        assert find_cases(tmp_path / "linked") == [tmp_path / "linked" / "one"]
        assert len(read_case(tmp_path / "linked" / "one").volumes) == 4

    def test_a_broken_link_is_said(self, heads, tmp_path: Path):
        heads.write_case(tmp_path / "case")
        (tmp_path / "case" / "x_t1ce.nii.gz").symlink_to("nowhere")
        assert survey(tmp_path).layout.left == {"case/x_t1ce.nii.gz": NO_TARGET}
        assert any("points to nothing" in w for w in read_case(tmp_path / "case").warnings)

    def test_a_folder_for_each_sequence_is_read(self, heads, tmp_path: Path):
        for seed, word in enumerate(("FLAIR", "T1", "T1 post Gd", "T2")):
            heads.write(tmp_path / "P1" / word / "image.nii.gz", heads.head(seed))
        assert find_cases(tmp_path) == [tmp_path / "P1"]
        case = read_case(tmp_path / "P1")
        assert [*case.volumes] == ["flair", "t1", "t1c", "t2"]
        assert (case.volumes["t1c"] == heads.head(2)).all()

    def test_several_cases_are_not_one(self, heads, tmp_path: Path):
        for name in ("P1_t2", "P2_t2"):
            heads.write(tmp_path / "all" / f"{name}.nii.gz", heads.head())
        with pytest.raises(CaseError, match=r"all holds 2 cases \(P1, P2\)"):
            read_case(tmp_path / "all")

    def test_dicom_has_any_name(self, tmp_path: Path):
        """By how it begins: with a preamble, or with its first element and that one's type."""
        for name in ("1", "2.MR", "3.img", "4.0001", "5.dcm"):
            (tmp_path / name).write_bytes(bytes(128) + b"DICM")
        (tmp_path / "6").write_bytes(b"\x08\0\x08\0CS\x16\0ORIGINAL".ljust(200))
        (tmp_path / "7.hdr").write_bytes(struct.pack("<i", 348) + bytes(344))
        voxels = struct.pack("<100h", *[8, 9] * 50)  # begins as an element, which has no such type
        (tmp_path / "7.img").write_bytes(voxels)
        (tmp_path / "8.dcm").write_text("<html>not found</html>")
        (tmp_path / "DICOMDIR").write_bytes(bytes(128) + b"DICM")
        found = survey(tmp_path)
        assert found.dicom == {".": ("1", "2.MR", "3.img", "4.0001", "5.dcm", "6")}
        told = {path: why.split()[0] for path, why in found.layout.left.items()}
        assert told == {"./*": "DICOM:", "7.hdr": "half", "7.img": "half", "8.dcm": "named"}

    def test_a_folder_that_cannot_be_opened_is_said(self, heads, tmp_path: Path, monkeypatch):
        heads.write_case(tmp_path / "case")
        (tmp_path / "locked").mkdir()
        real = os.scandir

        def scandir(path):
            if Path(path).name == "locked":
                raise PermissionError(13, "Permission denied")
            return real(path)

        monkeypatch.setattr("mckd.tumour.survey.os.scandir", scandir)
        assert survey(tmp_path).layout.left == {"locked": "cannot be opened (Permission denied)"}
