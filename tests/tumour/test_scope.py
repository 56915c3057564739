"""Names that speak of another disease, a child or an operation, and those that do not."""

import pytest

from mckd.tumour import read_case
from mckd.tumour.scope import SCOPE, out_of_scope


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("BraTS-MET-00110-000", "metastases"),
        ("brain_mets_7", "metastases"),
        ("BraTS-PED-00002-000-t1c.nii.gz", "a child"),
        ("pediatric_12", "a child"),
        ("patient3_post-op_t1.nii.gz", "a scan after an operation"),
        ("P4_postoperative", "a scan after an operation"),
        ("T1_post_surgery", "a scan after an operation"),
        ("case_post_RT", "a scan after an operation"),
        ("resection_cavity", "a scan after an operation"),
        ("BraTS-MEN-00004-000", "a meningioma"),
    ],
)
def test_says_what_the_name_says_and_no_more_of_it(name: str, kind: str) -> None:
    (sentence,) = out_of_scope([name, "x"])
    assert kind in sentence
    assert "adult glioma before surgery" in sentence
    assert name not in sentence


@pytest.mark.parametrize(
    "name",
    [
        "BraTS2021_00000",
        "BraTS-GLI-00005-000-t1c",
        "UCSF-PDGM-0004_T1_post",
        "sub-01_ce-gad_T1w",
        "T1_postGd",
        "pre-op_flair",
        "method_3",
        "Mettmann",
        "speed_test",
        "BraTS-SSA-00002-000",
        "mental",
    ],
)
def test_says_nothing_of_adult_glioma(name: str) -> None:
    assert out_of_scope([name]) == []


def test_a_case_says_it_once(heads, tmp_path) -> None:
    case = read_case(heads.write_case(tmp_path / "BraTS-PED-00002-000"))
    said = [w for w in case.warnings if "may be a child" in w]
    assert len(said) == 1
    assert "children" in SCOPE
