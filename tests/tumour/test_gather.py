"""Which files make one case, by their relative paths: worked out by hand for the usual layouts."""

from __future__ import annotations

import pytest

from mckd.tumour.gather import group


def found(*paths: str) -> dict[str, dict[str, str]]:
    return {case.name: case.slots for case in group(paths)[0]}


def left(*paths: str) -> list[str]:
    return [*group(paths)[1]]


def test_a_folder_for_each_case() -> None:
    assert found("P/week-10/P_t1ce.nii.gz", "P/week-2/P_flair.nii.gz", "P/week-10/P_seg.nii") == {
        "P/week-2": {"P/week-2/P_flair.nii.gz": "flair"},
        "P/week-10": {"P/week-10/P_seg.nii": "seg", "P/week-10/P_t1ce.nii.gz": "t1c"},
    }
    assert [case.name for case in group(["a/10/x_t1.nii", "a/9/x_t1.nii"])[0]] == ["a/9", "a/10"]


def test_a_folder_for_each_sequence_is_one_case() -> None:
    paths = [f"P1/{word}/image.nii.gz" for word in ("FLAIR", "T1", "T1c", "T2")]
    assert found(*paths, "P2/T1/17.nii") == {
        "P1": dict(zip(sorted(paths), ("flair", "t1", "t1c", "t2"), strict=True)),
        "P2": {"P2/T1/17.nii": "t1"},
    }


def test_a_folder_never_outdoes_a_name() -> None:
    """A mask in the folder of a sequence is no image of it, nor is what says another sequence."""
    here = "P1/FLAIR/flair.nii.gz"
    for other in ("P1/FLAIR/flair_mask.nii.gz", "P1/FLAIR/perfusion.nii.gz"):
        assert found(here, other) == {"P1": {here: "flair"}}
        assert left(here, other) == [other]
    assert found("P1/FLAIR/T1.nii.gz") == {"P1": {"P1/FLAIR/T1.nii.gz": ""}}


def test_loose_files_of_one_head_and_one_that_says_nothing() -> None:
    assert found("a_flair.nii.gz", "scan7.nii.gz") == {
        "": {"a_flair.nii.gz": "flair", "scan7.nii.gz": ""}
    }


def test_several_cases_in_one_folder_are_told_apart_by_their_names() -> None:
    words = {"flair": "flair", "t1": "t1", "T1_post": "t1c", "t2": "t2"}
    paths = {f"all/P{n}_{word}.nii.gz": slot for n in (1, 2) for word, slot in words.items()}
    cases = found(*paths)
    assert sorted(cases) == ["all/P1", "all/P2"]
    assert cases["all/P1"] == {p: s for p, s in paths.items() if "P1" in p}
    assert sorted(found("BraTS-00-000-t1n.nii", "BraTS-00-001-t1n.nii")) == [
        "BraTS-00-000",
        "BraTS-00-001",
    ]


def test_files_of_one_sequence_that_cannot_be_told_apart_stay_together() -> None:
    """The visitor is asked which is which."""
    twice = ("flair.nii", "flair.nii.gz")
    assert found(*twice) == {"": dict.fromkeys(twice, "flair")}


def test_msd() -> None:
    assert found(
        "Task01/imagesTr/BRATS_001.nii.gz",
        "Task01/imagesTr/BRATS_002.nii.gz",
        "Task01/labelsTr/BRATS_002.nii.gz",
    ) == {
        "Task01/imagesTr/BRATS_001": {"Task01/imagesTr/BRATS_001.nii.gz": "stack"},
        "Task01/imagesTr/BRATS_002": {
            "Task01/imagesTr/BRATS_002.nii.gz": "stack",
            "Task01/labelsTr/BRATS_002.nii.gz": "seg",
        },
    }


def test_bids_beside_anatomy_is_left_out() -> None:
    other = ["sub-1/dwi/sub-1_dwi.nii.gz", "sub-1/func/sub-1_task-rest_bold.nii.gz"]
    anatomy = ["sub-1/anat/sub-1_FLAIR.nii.gz", "sub-1/anat/sub-1_T1w.nii.gz"]
    assert sorted(found(*anatomy, *other)) == ["sub-1"]
    assert left(*anatomy, *other) == other


@pytest.mark.parametrize("paths", [[], ["x.nii"], ["a/x.nii", "b/y.nii"]])
def test_where_no_name_says_anything_all_are_asked_about(paths: list[str]) -> None:
    cases, nobodys = group(paths)
    assert nobodys == {}
    assert [slot for case in cases for slot in case.slots.values()] == [""] * len(paths)
