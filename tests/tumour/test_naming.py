import csv
import itertools
import re
from pathlib import Path

import pytest

from mckd.files.names import LONGEST_NAME, plain_name
from mckd.tumour import SEQUENCES, CaseError, match_sequences
from mckd.tumour.naming import ASK, NONE, judge, slot_of, verdicts

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


# Names of hospitals, scanners, data sets and programs, with what a person would answer: a slot,
# `none` (no input, whoever looks), or `ask`.
with (Path(__file__).parent / "names.tsv").open(encoding="utf-8", newline="") as table:
    WANTED = {row["name"]: row["wanted"] for row in csv.DictReader(table, delimiter="\t")}
PREFIXES = ("sub-01_", "sub-02_ses-1_", "patient7_", "x_", "BraTS2021_00000_", "2019_", "P1-")
SUFFIXES = ("_1mm", "_0003", "_n4", "_reg", "_20190101")


def varied(name: str) -> list[str]:
    """The same name in other clothes, all of which mean the same."""
    forms = [name, name.upper(), name.lower()]
    if re.fullmatch(r"[A-Za-z0-9_]+", name):
        forms += [name.replace("_", sign) for sign in "-. "]
        if not name.lower().startswith(("sub", "brats")):
            forms += [prefix + name for prefix in PREFIXES]
            forms += [name + suffix for suffix in SUFFIXES]
    return forms


@pytest.mark.parametrize("name", WANTED)
def test_a_real_name_gets_its_slot_or_nothing_or_a_question(name):
    for form in varied(name):
        assert judge(f"{form}.nii.gz") == WANTED[name], form


@pytest.mark.parametrize("name", WANTED)
def test_no_name_is_taken_for_another_sequence_with_an_unknown_word_behind_it(name):
    """Whatever `qwxzv` means, it might be the contrast, or a map made from the image."""
    if WANTED[name] not in (NONE, "seg"):
        assert judge(f"{name}_qwxzv.nii.gz") == ASK


# Files that lie together, each with what it is.
TOGETHER = {
    "a patient's name says nothing": {
        "mueller_FLAIR": "flair",
        "mueller_T1": "t1",
        "mueller_T1_KM": "t1c",
        "mueller_T2": "t2",
    },
    "nor behind": {"T1_mueller": "t1", "FLAIR_mueller": "flair", "T2_mueller": "t2"},
    "nor glued": {"MuellerT1": "t1", "MuellerT1Gd": "t1c", "MuellerT2": "t2"},
    "nor in capitals without an underscore": {"annaT1": "t1", "annaT2": "t2", "annaFLAIR": "flair"},
    "nor beside a mask": {"anna_T1": "t1", "anna_FLAIR": "flair", "brain_mask": NONE},
    "nor beside labels that somebody else named": {
        "anna_T1": "t1",
        "anna_T1_KM": "t1c",
        "anna_FLAIR": "flair",
        "tumor_seg": "seg",
    },
    "but one image and labels share nothing": {"anna_T1": ASK, "tumor_seg": "seg"},
    "nor beside a stranger": {"anna_T1": "t1", "anna_FLAIR": "flair", "other": ASK},
    "a word that one has and others have not": {
        "anna_T1": "t1",
        "anna_T1_xyz": ASK,
        "anna_FLAIR": "flair",
    },
    "also in front": {"xyz_T1": ASK, "T2": "t2", "FLAIR": "flair"},
    "a visit, as the T1c shows": {
        "post_t1": "t1",
        "post_t1ce": "t1c",
        "post_flair": "flair",
    },
    "a visit, or contrast": {"post_t1": ASK, "post_flair": "flair"},
    "before the operation": {"pre_t1": "t1", "pre_t1ce": "t1c", "pre_t2": "t2"},
    "a case called c": {"c_t1": "t1", "c_flair": "flair"},
    "contrast in one, none in the other": {"T1_pre": "t1", "T1_post": "t1c", "T2": "t2"},
    "an agent is one even if all say so": {"T1_gd": "t1c", "FLAIR_gd": "flair"},
}  # fmt: skip


@pytest.mark.parametrize("wanted", TOGETHER.values(), ids=TOGETHER)
def test_files_of_one_case_are_judged_together(wanted):
    found = verdicts(f"{name}.nii.gz" for name in wanted)
    assert {name: found[f"{name}.nii.gz"].answer for name in wanted} == wanted


def test_the_folder_s_name_says_nothing_unless_it_is_one_of_a_sequence():
    assert verdicts(["anna_T1.nii"])["anna_T1.nii"].answer == ASK
    assert verdicts(["anna_T1.nii"], folder="anna")["anna_T1.nii"].answer == "t1"
    assert verdicts(["T1_xyz.nii"], folder="T1_xyz")["T1_xyz.nii"].answer == ASK


def test_a_question_says_what_the_file_may_be():
    assert verdicts(["T1_xyz.nii"])["T1_xyz.nii"].may_be == {"t1", "t1c"}
    assert verdicts(["T2_xyz.nii"])["T2_xyz.nii"].may_be == {"t2"}
    assert verdicts(["T1_segm.nii"])["T1_segm.nii"].may_be == {"seg"}
    assert verdicts(["scan.nii"])["scan.nii"].may_be == set()


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


def test_a_part_of_the_body_that_all_names_begin_with_says_nothing_of_labels():
    names = {f"small_head_{word}.nii.gz": slot for word, slot in (("t1", "t1"), ("seg", "seg"))}
    assert {name: found.answer for name, found in verdicts(names).items()} == names
    assert verdicts(["p_t1.nii.gz", "p_brain_seg.nii.gz"])["p_brain_seg.nii.gz"].answer == "none"
