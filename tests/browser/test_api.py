"""API.md is true: what it shows is run against the app, by `gradio_client` and by curl.

No browser is in it, but the same running apps.
"""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.request import urlopen

import httpx
import nibabel
import numpy as np
import pytest
from gradio_client import Client, handle_file
from gradio_client.exceptions import AppError
from PIL import Image

from tests import small_heads
from tests.browser.conftest import EXAMPLES, ROOT, Studio

TEXT = (ROOT / "API.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```(\w+)\n(.*?)^```$", TEXT, re.S | re.M)
PYTHON = [code for language, code in BLOCKS if language == "python"]
BASH = [code for language, code in BLOCKS if language == "bash"]
HERE = "http://127.0.0.1:7860"


@pytest.fixture
def files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The files that API.md names, where it is read."""
    monkeypatch.chdir(tmp_path)
    small_heads.save(tmp_path / "flair.nii.gz", small_heads.volume("flair"))
    small_heads.save(tmp_path / "t1c.nii.gz", small_heads.volume("t1ce"))
    small_heads.save(tmp_path / "seg.nii.gz", small_heads.labels())
    shutil.copy(EXAMPLES / "spoken.wav", tmp_path)
    return tmp_path


@pytest.fixture(scope="module")
def client(clinic: Studio, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Client]:
    downloads = str(tmp_path_factory.mktemp("downloads"))
    found = Client(clinic.url, verbose=False, download_files=downloads)
    yield found
    found.close()


def of(code: str, studio: Studio) -> str:
    assert HERE in code
    return code.replace(HERE, studio.url.rstrip("/"))


def test_python_segments_and_compares(clinic: Studio, files: Path) -> None:
    names: dict[str, Any] = {}
    exec(compile(of(PYTHON[0], clinic), "API.md", "exec"), names)
    given = nibabel.load(files / "flair.nii.gz")
    labels = nibabel.load(names["labels"])
    assert labels.shape == given.shape
    np.testing.assert_allclose(labels.affine, given.affine)
    assert set(np.unique(labels.dataobj)) <= {0, 1, 2, 4}
    subsets = [row["subset"] for row in names["figures"]["subsets"]]
    assert subsets == ["flair", "t1c", "flair+t1c"]
    lines = Path(names["table"]).read_text().splitlines()
    assert len(lines) == 1 + 3 * 3  # a line per subset and region
    assert names["change"]["growth_ml"] == 0  # the head is the same
    assert [visit["date"] for visit in names["followed"]["visits"]] == ["2024-01-31", "2024-04-28"]
    assert Path(names["report"]).read_bytes().startswith(b"%PDF")


def test_python_predicts_digits_and_rows(studio: Studio, files: Path) -> None:
    names: dict[str, Any] = {"handle_file": handle_file}
    names["client"] = client = Client(studio.url, verbose=False)
    exec(compile(PYTHON[1], "API.md", "exec"), names)
    assert names["digit"]["digit"] == 3  # the bundled recording says so
    assert names["said"]["present"] == ["morphology"]
    assert sum(names["said"]["probabilities"].values()) == pytest.approx(1, abs=1e-3)
    picture = np.full((64, 64), 255, np.uint8)
    picture[10:54, 30:35] = 0  # a stroke
    Image.fromarray(picture).save("one.png")
    said = client.predict(picture=handle_file("one.png"), api_name="/predict_digit")
    assert said["digit"] == 1
    models = client.predict(api_name="/list_models")
    assert {m["task"] for m in models} == {"digits", "tables", "tumour"}
    with pytest.raises(AppError, match="A row of morphology has 6 values"):
        client.predict(rows={"morphology": [1]}, api_name="/predict_row")


def test_curl(clinic: Studio, files: Path) -> None:
    subprocess.run(["bash", "-euc", of(BASH[0], clinic)], check=True)
    figures, labels = json.loads(Path("answer.json").read_text())["data"]
    assert [row["subset"] for row in figures["subsets"]] == ["flair"]
    subprocess.run(["curl", "-sf", "-o", "labels.nii.gz", labels["url"]], check=True)
    assert nibabel.load("labels.nii.gz").shape == nibabel.load("flair.nii.gz").shape
    models = json.loads(Path("models.json").read_text())["data"][0]
    (tumour,) = (m for m in models if m["task"] == "tumour")
    assert tumour["cases"] == ["small_head"]


def test_a_reference_is_scored_on_the_subset_that_was_asked_for(
    client: Client, files: Path
) -> None:
    images = {name: handle_file(f"{name}.nii.gz") for name in ("flair", "t1c", "seg")}
    figures, _ = client.predict(images=images, subset=["t1c"], api_name="/segment_case")
    (row,) = figures["subsets"]
    assert row["subset"] == "t1c"
    wt = np.count_nonzero(small_heads.labels()) * np.prod(small_heads.SPACING) / 1000
    assert row["regions"]["wt"]["reference_ml"] == pytest.approx(wt, abs=1e-3)


@pytest.mark.parametrize(
    ("asked", "words"),
    [
        ({}, "either images"),
        ({"case": "small_head", "images": {"t1": "x"}}, "either images"),
        ({"case": "../small_head"}, "no such bundled case"),
        ({"images": {"t1": "/etc/passwd"}}, "no longer here"),
        ({"images": {"t3": "x"}}, "flair, t1, t1c, t2"),
        ({"case": "small_head", "subset": []}, "A subset is"),
        ({"case": "small_head", "subset": ["t3"]}, "A subset is"),
        ({"case": ["small_head"]}, "no such bundled case"),
    ],
)
def test_what_cannot_be_done_is_one_sentence(client: Client, asked: Any, words: str) -> None:
    with pytest.raises(AppError, match=words):
        client.predict(**asked, api_name="/segment_case")


CASE = {"case": "small_head", "subset": ["t2"]}


@pytest.mark.parametrize(
    ("visits", "words"),
    [
        ([CASE], "Give 2 to 12 visits"),
        (CASE, "Give 2 to 12 visits"),
        ([CASE, "small_head"], "Give 2 to 12 visits"),
        ([CASE, {}], "either images"),
        ([CASE, CASE], "kept already"),
        ([CASE, {**CASE, "date": "1.2.2024"}], "no date. Write it like 2024-01-31"),
        ([CASE, {**CASE, "day": "2024-02-01"}], "date, images, case, subset, anyway, but no day"),
    ],
)
def test_visits_that_cannot_be_compared_are_one_sentence(
    client: Client, visits: Any, words: str
) -> None:
    with pytest.raises(AppError, match=words):
        client.predict(visits=visits, api_name="/follow_visits")


@pytest.mark.parametrize("file", ["pdf", ["csv"], {"csv": 1}])
def test_a_file_of_visits_that_is_none_is_one_sentence(client: Client, file: Any) -> None:
    with pytest.raises(AppError, match="no such file"):
        client.predict(visits=[CASE, CASE], file=file, api_name="/follow_visits")


def test_images_unlike_the_training_are_held_back(client: Client, files: Path) -> None:
    head = small_heads.volume("flair")
    around = np.random.default_rng(0).integers(40, 120, head.shape)  # no air is one value
    small_heads.save(files / "skull.nii.gz", np.where(head == 0, around, head).astype(np.int16))
    asked = {"images": {"flair": handle_file("skull.nii.gz")}, "api_name": "/segment_case"}
    with pytest.raises(AppError, match="anyway=true"):
        client.predict(**asked)
    figures, _ = client.predict(**asked, anyway=True)
    assert figures["unlike_training"] is True


def test_images_on_grids_of_their_own_are_not_prepared_unasked(client: Client, files: Path) -> None:
    """Labels would lie on another grid than that of the images."""
    turned = nibabel.load(files / "t1c.nii.gz")
    turn = np.eye(4)
    turn[:2, :2] = [[np.cos(0.4), -np.sin(0.4)], [np.sin(0.4), np.cos(0.4)]]
    nibabel.save(nibabel.Nifti1Image(turned.dataobj, turn @ turned.affine), files / "turned.nii.gz")
    images = {"flair": handle_file("flair.nii.gz"), "t1c": handle_file("turned.nii.gz")}
    asked = {"images": images, "api_name": "/segment_case"}
    with pytest.raises(AppError, match=r"turned.nii.gz does not lie on the same grid as"):
        client.predict(**asked)


def test_delete_my_data_deletes_what_was_made_for_a_program(clinic: Studio) -> None:
    config = json.loads(urlopen(clinic.url + "config").read())
    ids = {c["props"].get("elem_id"): c["id"] for c in config["components"]}
    where = [ids["privacy"], "delete"]
    (delete,) = (d["id"] for d in config["dependencies"] if where in d["targets"])
    client = Client(clinic.url, verbose=False)
    before = {*clinic.private.rglob("sent/**/*.nii.gz")}
    client.predict(case="small_head", api_name="/segment_case")
    (mine,) = {*clinic.private.rglob("sent/**/*.nii.gz")} - before
    call = {"fn_index": delete, "data": [], "session_hash": client.session_hash}
    reply = httpx.post(f"{client.src_prefixed}run/predict", json=call, cookies=client.cookies)
    assert reply.status_code == 200
    assert not mine.exists()
