import itertools

import pytest

from mckd.tumour import SEQUENCES, CaseError, match_sequences
from mckd.tumour.naming import LONGEST_NAME, plain_name, slot_of, unrecognised

NAMES = {
    "flair": [
        "BraTS2021_00000_flair.nii.gz",
        "Brats18_CBICA_ABY_1_flair.nii",
        "BraTS-GLI-00000-000-t2f.nii.gz",
        "sub-01_FLAIR.nii.gz",
        "sub-01_ses-post_acq-3D_FLAIR.nii.gz",
        "sub-01_space-T1w_FLAIR.nii.gz",
        "T2_FLAIR.nii.gz",
        "t2_tirm_tra_dark-fluid.nii.gz",
        "patient 7 dark fluid.nii.gz",
        "UCSF-PDGM-0004_FLAIR_bias.nii.gz",
    ],
    "t1": [
        "BraTS2021_00000_t1.nii.gz",
        "BraTS-GLI-00000-000-t1n.nii.gz",
        "sub-01_T1w.nii.gz",
        "sub-01_ses-post_T1w.nii.gz",
        "sub-01_ce-none_T1w.nii.gz",
        "T1_pre_contrast.nii.gz",
        "t1_native.NII.GZ",
        "T1 postop.nii",
        "t1_pre-op.nii.gz",
        "t1_post_op.nii.gz",
    ],
    "t1c": [
        "BraTS2021_00000_t1ce.nii.gz",
        "BraTS-GLI-00000-000-t1c.nii.gz",
        "sub-01_ce-gad_T1w.nii.gz",
        "sub-01_ses-1_ce-gadolinium_run-1_T1w.nii.gz",
        "T1gd.nii.gz",
        "t1_Gd.nii.gz",
        "T1-post.nii.gz",
        "T1w_contrast_enhanced.nii.gz",
        "t1+c.nii.gz",
        "T1_C.nii.gz",
        "t1km.nii.gz",
        "UCSF-PDGM-0004_T1gad.nii.gz",
        "folder_t2/x_t1gad.nii.gz",
        "C:\\scans_flair\\x_t1ce.nii.gz",
    ],
    "t2": [
        "BraTS2021_00000_t2.nii.gz",
        "BraTS-GLI-00000-000-t2w.nii.gz",
        "sub-01_T2w.nii.gz",
        "sub-01_ses-pre_T2w.nii.gz",
        "post_t2.nii.gz",
    ],
    "seg": [
        "BraTS2021_00000_seg.nii.gz",
        "BraTS-GLI-00000-000-seg.nii.gz",
        "sub-01_dseg.nii.gz",
        "sub-01_space-T1w_dseg.nii.gz",
        "UCSF-PDGM-0004_tumor_segmentation.nii.gz",
        "glioma_mask.nii.gz",
        "labelsTr/BRATS_001.nii.gz",
    ],
    "stack": ["BRATS_001.nii.gz", "Task01_BrainTumour/imagesTr/BRATS_484.nii.gz"],
    None: [
        "scan.nii.gz",
        "T1_to_T2.nii.gz",
        "t1_flair.nii.gz",
        "t1_pre_post.nii.gz",
        "t1ce_pre.nii.gz",
        "T2star.nii.gz",
        "t2_star.nii.gz",
        "T1_map.nii.gz",
        "brain_mask.nii.gz",
        "brain_segmentation.nii.gz",
        "t1_brain_mask.nii.gz",
        "mprage_0001.nii.gz",
        "case_0000.nii.gz",
        "subt1.nii.gz",
        "t1.txt",
        "t1.mgz",
        "flair",
        "",
    ],
}


@pytest.mark.parametrize(("slot", "name"), [(s, n) for s, names in NAMES.items() for n in names])
def test_the_name_says_what_it_is(slot, name):
    assert slot_of(name) == slot


def test_order_plays_no_part():
    files = ["x_t2.nii.gz", "x_seg.nii.gz", "x_t1ce.nii.gz", "x_flair.nii.gz", "x_t1.nii.gz"]
    wanted = {
        "flair": "x_flair.nii.gz",
        "t1": "x_t1.nii.gz",
        "t1c": "x_t1ce.nii.gz",
        "t2": "x_t2.nii.gz",
        "seg": "x_seg.nii.gz",
    }
    for order in itertools.permutations(files):
        found = match_sequences(order)
        assert found == wanted
        assert tuple(found) == (*SEQUENCES, "seg")


def test_any_subset_is_fine():
    assert match_sequences(["x_t1ce.nii.gz", "readme.txt"]) == {"t1c": "x_t1ce.nii.gz"}
    assert match_sequences([]) == {}


def test_two_files_for_one_slot_are_both_named():
    with pytest.raises(CaseError, match=r"a_t1c\.nii\.gz and a_t1gd\.nii both .* with contrast"):
        match_sequences(["a_t1gd.nii", "somewhere/a_t1c.nii.gz"])


def test_msd_s_pair_of_equal_names():
    files = ["labelsTr/BRATS_001.nii.gz", "imagesTr/BRATS_001.nii.gz"]
    assert match_sequences(files) == {"stack": files[1], "seg": files[0]}


def test_a_stack_beside_single_sequences_is_refused():
    with pytest.raises(CaseError, match=r"BRATS_001\.nii\.gz .* single sequences"):
        match_sequences(["BRATS_001.nii.gz", "x_t1.nii.gz"])


def test_unknown_images_are_reported():
    names = ["x_t1.nii.gz", "b.nii", "a.nii.gz", "notes.txt"]
    assert unrecognised(names) == ["a.nii.gz", "b.nii"]


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("case_t1.nii.gz", "case_t1.nii.gz"),
        ("Müller 脳 🧠_t1.nii", "Müller 脳 🧠_t1.nii"),
        ("/home/doe/../case_t1.nii", "case_t1.nii"),
        ("C:\\scans\\case_t1.nii", "case_t1.nii"),
        ("a\nb\t\x1b[31m\x00.nii", "a?b??[31m?.nii"),
        ("exe.\u202ezg.iin", "exe.?zg.iin"),
        ("a\u200b\u2066b\u2028.nii", "a??b?.nii"),
        ("\ud800.nii", "?.nii"),
        ("", "?"),
        ("..", ".."),
    ],
)
def test_a_name_as_people_may_see_it(name, shown):
    assert plain_name(name) == shown


def test_a_long_name_keeps_its_two_ends():
    name = plain_name("x" * 240 + "_flair.nii.gz")
    assert len(name) == LONGEST_NAME
    assert name.startswith("xxx")
    assert name.endswith("_flair.nii.gz")


def test_names_in_a_refusal_are_plain():
    with pytest.raises(CaseError, match=r"^a\?_t1\.nii and b_t1\.nii both"):
        match_sequences(["a\u202e_t1.nii", "x/b_t1.nii"])
