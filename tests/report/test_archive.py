"""What is taken home: complete, sealed, the same every time, and without anybody's name."""

from __future__ import annotations

import dataclasses
import gzip
import hashlib
import io
import json
import zipfile

import nibabel
import numpy as np
import pypdfium2
import pytest

from mckd.report.archive import archive, figures, masks, report, sealed
from mckd.tumour import REGIONS, read_case
from mckd.tumour.advice import Advice
from mckd.tumour.comparison import Figures
from mckd.tumour.labels import bits_to_regions
from tests import small_heads

EVERYTHING = {
    "README.txt",
    "SHA256SUMS",
    "contributions.csv",
    "figures.csv",
    "figures.json",
    "key_slices.png",
    "report.pdf",
    "subsets.png",
    "votes.png",
}


@pytest.fixture(scope="module")
def packed(subject) -> tuple[str, bytes]:
    return archive(subject)


@pytest.fixture(scope="module")
def inside(packed) -> dict[str, bytes]:
    with zipfile.ZipFile(io.BytesIO(packed[1])) as opened:
        return {name: opened.read(name) for name in opened.namelist()}


def text_of(pdf: bytes) -> list[str]:
    """The words of each page."""
    opened = pypdfium2.PdfDocument(pdf)
    pages = [page.get_textpage().get_text_bounded() for page in opened]
    pages[0] += str(opened.get_metadata_dict())
    opened.close()
    return pages


def test_everything_is_in_one_folder(packed, inside) -> None:
    assert packed[0] == "Anna_b_Example_mckd.zip"
    names = {name.removeprefix("Anna_b_Example/") for name in inside}
    assert names >= EVERYTHING
    assert len(names - EVERYTHING) == 15
    assert "masks/Anna_b_Example_mckd_flair-t1c.nii.gz" in names


def test_the_manifest_confirms_every_other_file(inside) -> None:
    listed = dict(
        reversed(line.split("  "))
        for line in inside["Anna_b_Example/SHA256SUMS"].decode().splitlines()
    )
    assert len(listed) == len(inside) - 1
    for name, digest in listed.items():
        assert hashlib.sha256(inside[f"Anna_b_Example/{name}"]).hexdigest() == digest


def test_the_same_case_gives_the_same_bytes(subject, packed) -> None:
    assert archive(subject) == packed


def test_a_mask_is_what_was_found_on_the_grid_of_the_images(subject, case) -> None:
    files = masks(subject)
    assert len(files) == 15
    for subset, data in zip(subject.subsets, files.values(), strict=True):
        image = nibabel.Nifti1Image.from_bytes(gzip.decompress(data))
        assert image.affine == pytest.approx(case.affine, abs=1e-4)
        labels = case.grid.to_canonical(np.asarray(image.dataobj))
        found = bits_to_regions(subject.maps[subset])
        assert np.array_equal(labels == 4, found[0])
        assert np.array_equal(labels != 0, found[2])


def test_the_pdf_states_what_it_must(inside) -> None:
    pages = text_of(inside["Anna_b_Example/report.pdf"])
    assert len(pages) == 3
    for number, page in enumerate(pages, start=1):
        assert "Research only, not a medical device" in page
        assert "SYNTHETIC CASE" in page.upper()
        assert f"Page {number}" in page
        assert "of 3" in page
        assert "Anna_b_Example" in page
        assert "2 November 2026" in page
    assert "Enhancing tumour" in pages[0]
    assert "What each sequence changes" in pages[1]
    assert "Shapley" in pages[1]
    assert "0123456789abcdef" * 4 in pages[2]
    assert "7 invented cases" in pages[2]


@pytest.mark.parametrize(
    ("seen", "mark", "sentence"),
    [
        ("training", "SEEN IN TRAINING", b"the model learned from this case"),
        ("validation", "SEEN IN TRAINING (VALIDATION)", b"the model was tuned on this case"),
        ("unknown", "PERHAPS SEEN IN TRAINING", b"does not say which cases"),
        ("no", "", b""),
    ],
)
def test_a_case_seen_in_training_is_marked_wherever_a_score_stands(
    subject, seen, mark, sentence
) -> None:
    marked = dataclasses.replace(subject, seen=seen)
    everything = {**figures(marked), **report(marked)}
    whole = sealed(marked, everything)
    for page in text_of(whole["report.pdf"]):
        assert (mark in page) if mark else ("IN TRAINING" not in page)
    assert sentence in whole["README.txt"]
    assert (b"in training" in whole["README.txt"]) == bool(mark)
    for name in ("figures.csv", "contributions.csv"):
        head, *lines = whole[name].decode().splitlines()
        place = head.split(",").index("seen_in_training")
        assert {line.split(",")[place] for line in lines} == {seen}
    assert json.loads(whole["figures.json"])["seen_in_training"] == seen


def test_every_export_says_what_the_model_is_for_and_what_to_doubt(make, case) -> None:
    dice = {"t2": {"et": 0.157, "tc": 0.412, "wt": 0.673}}
    subject = make(case, unseen={"dice": dice})
    whole = sealed(subject, {**figures(subject), **report(subject)})
    pages = [" ".join(page.split()) for page in text_of(whole["report.pdf"])]
    assert "Made for adult glioma before surgery" in pages[0]
    assert "? unreliable, ~ rough" in pages[1]
    assert b"Made for adult glioma before surgery" in whole["README.txt"]
    told = json.loads(whole["figures.json"])
    assert told["made_for"].startswith("Made for adult glioma before surgery")
    t2 = next(s for s in told["subsets"] if s["subset"] == "t2")["regions"]
    assert (t2["et"]["unseen_dice"], t2["et"]["caution"]) == (0.157, "unreliable")
    assert (t2["tc"]["unseen_dice"], t2["tc"]["caution"]) == (0.412, "rough")
    assert (t2["wt"]["unseen_dice"], t2["wt"]["caution"]) == (0.673, None)
    line = next(s for s in whole["figures.csv"].decode().splitlines() if ",t2,et," in s)
    assert ",0.157,unreliable" in line


def test_the_pdf_of_ranges(ranged) -> None:
    first = " ".join(text_of(report(ranged)["report.pdf"])[0].split())
    assert "(1.0 to 3.5)" in first
    assert "No tumour found that is certain" in first
    assert "Measured on invented cases." in first


def test_the_pdf_advises_a_further_sequence(blind) -> None:
    pair = blind.compared.rows[-1]
    gain, narrowing = dict.fromkeys(REGIONS, 0.1), dict.fromkeys(REGIONS, 12.0)
    advised = dataclasses.replace(pair, advice=(Advice("flair", gain, narrowing),))
    subject = dataclasses.replace(
        blind,
        compared=Figures(blind.case, [blind.compared.rows[0], advised], distances=False),
        about=blind.about | {"intervals": "Measured on invented cases."},
    )
    first = " ".join(text_of(report(subject)["report.pdf"])[0].split())
    assert (
        "Which sequence next? FLAIR would most likely raise the Dice of ET by .10 and narrow its "
        "range by 12 mL; T2 adds little. It is judged by what sequences added"
    ) in first


def test_the_pdf_of_less(blind) -> None:
    pages = text_of(report(blind)["report.pdf"])
    words = " ".join(" ".join(pages).split())
    assert len(pages) == 3
    assert "left and right are unknown" in words
    assert "nothing to score against" in words
    assert "not there: FLAIR, T2" in words
    assert "One of the files: 3 voxels were no numbers" in words
    assert "What each sequence changes" not in words
    assert "HD95 in mm" not in words
    assert "SYNTHETIC" not in words.upper()


def test_tables_and_contents_of_less(blind) -> None:
    files = sealed(blind, figures(blind))
    assert set(files) == {"figures.csv", "figures.json", "README.txt", "SHA256SUMS"}
    assert b"report.pdf" not in files["README.txt"]


def test_no_name_path_or_header_text_gets_out(make, tmp_path) -> None:
    """Folders, files and headers name a patient, and nobody said that exports may."""
    folder = tmp_path / "Klinik" / "Mustermann, Hans"
    for word in small_heads.WORDS:
        about = b"Mustermann 1954"
        name = f"Mustermann_{word}.nii.gz"
        small_heads.save(folder / name, small_heads.volume(word), about=about, sides=False)
    small_heads.save(folder / "Mustermann_seg.nii.gz", small_heads.labels(), sides=False)
    subject = make(read_case(folder), data="<b>R&D</i>")
    assert subject.case.name == "Mustermann, Hans"
    assert any("Mustermann" in warning for warning in subject.case.warnings)
    everything = {**masks(subject), **figures(subject), **report(subject)}
    for name, data in sealed(subject, everything).items():
        plain = gzip.decompress(data) if name.endswith(".gz") else data
        if name.endswith(".pdf"):
            plain += " ".join(text_of(data)).encode()
        for secret in (b"Mustermann", b"Hans", b"1954", b"Klinik", str(tmp_path).encode()):
            assert secret not in plain + name.encode()
    name, packed = archive(subject)
    assert name == "case_mckd.zip"
    with zipfile.ZipFile(io.BytesIO(packed)) as opened:
        assert {n.partition("/")[0] for n in opened.namelist()} == {"case"}
    assert "<b>R&D</i>" in " ".join(text_of(everything["report.pdf"]))  # nor is it markup
