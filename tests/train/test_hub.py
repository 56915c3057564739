"""`python -m train bundle --hub`: repositories of the bundled models and of a run of one's own."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from huggingface_hub import ModelCard

from mckd.files.checkpoint import load_checkpoint, save_checkpoint
from mckd.tasks import ROOT, about, abouts
from mckd.tumour import TumourSegmenter
from train.__main__ import main

KEYS = [about.key for about in abouts()]


@pytest.fixture(scope="module")
def hub(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("hub")
    assert main(["bundle", "--hub", str(folder)]) == 0
    return folder


def scores(card: ModelCard) -> dict[tuple[str | None, str], float]:
    return {
        (result.dataset_config, result.metric_name): result.metric_value
        for result in card.data.eval_results
    }


def test_one_for_each_bundled_model(hub: Path) -> None:
    assert sorted(path.name for path in hub.iterdir()) == [f"mckd-{key}" for key in sorted(KEYS)]
    for folder in hub.iterdir():
        calibrated = {"model.calibration.json"} if folder.name == "mckd-tumour" else set()
        assert {path.name for path in folder.iterdir()} - calibrated == {
            "model.safetensors", "SHA256SUMS", "config.json", "README.md", ".gitattributes",
        }  # fmt: skip
        config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
        header = load_checkpoint(folder / "model.safetensors").header
        assert config == {"model_type": "mckd", **header}


@pytest.mark.parametrize("key", KEYS)
def test_a_card_says_what_the_hub_asks(hub: Path, key: str) -> None:
    data = ModelCard.load(hub / f"mckd-{key}" / "README.md").data
    assert (data.license, data.library_name, data.model_name) == (
        "mit", "mckd-studio", f"mckd-{key}",
    )  # fmt: skip
    assert data.pipeline_tag
    assert data.datasets
    assert data.metrics


def test_its_scores_are_those_that_were_measured(hub: Path) -> None:
    """Numbers of the cards, checkpoints/*.md."""
    digits, tables, tumour = (ModelCard.load(hub / f"mckd-{key}" / "README.md") for key in KEYS)
    percent = {name: round(100 * score, 2) for (_, name), score in scores(digits).items()}
    assert percent == {"visual": 99.20, "audio": 98.67, "both": 99.91, "audio_snr_10dB": 96.00}
    assert round(100 * scores(tables)[None, "all"], 1) == 99.2
    assert round(100 * scores(tables)[None, "mean"], 1) == 96.8
    dice = scores(tumour)
    assert len(dice) == 15 * 3
    assert (dice["flair", "wt"], dice["flair+t1+t1c+t2", "tc"]) == (0.858, 0.620)
    assert {result.metric_type for result in tumour.data.eval_results} == {"dice"}


@pytest.mark.parametrize("key", KEYS)
def test_what_a_card_tells_to_run_runs(
    hub: Path, key: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "assets").symlink_to(ROOT / "assets")
    (tmp_path / f"mckd-{key}").symlink_to(hub / f"mckd-{key}")
    monkeypatch.chdir(tmp_path)
    text = (hub / f"mckd-{key}" / "README.md").read_text(encoding="utf-8")
    (code,) = re.findall(r"^```python\n(.*?)^```", text, re.S | re.M)
    exec(compile(code, "README.md", "exec"), {})
    assert not re.search(r"\]\((?!https?:)", text)  # nothing that the repository does not hold


def test_cases_are_counted_and_not_named(hub: Path) -> None:
    header = load_checkpoint(hub / "mckd-tumour" / "model.safetensors").header
    assert header["provenance"]["number of cases"] == {
        "train": 15 + 196,
        "validation": 4,
        "test": 0,
    }
    assert "BraTS2021_00000" not in (hub / "mckd-tumour" / "config.json").read_text("utf-8")


def test_a_calibration_comes_along(hub: Path) -> None:
    given = TumourSegmenter.from_pretrained(hub / "mckd-tumour")
    bundled = TumourSegmenter.load(about("tumour").checkpoint())
    assert given.calibration == bundled.calibration
    assert given.calibration is not None


def test_a_model_without_a_card_is_not_praised(tmp_path: Path) -> None:
    bundled = load_checkpoint(ROOT / "checkpoints" / "digits.safetensors")
    header = bundled.header | {"metrics": {"test": {}}}
    save_checkpoint(tmp_path / "mine.safetensors", bundled.tensors, header)
    assert main(["bundle", "--hub", str(tmp_path), "--into", str(tmp_path), "--name", "mine"]) == 0
    card = ModelCard.load(tmp_path / "mckd-mine" / "README.md")
    assert card.data.eval_results is None
    assert card.data.license is None
    assert "Nobody has described yet where it fails" in card.text


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ([], "Say what is to be bundled with --run, or where to with --hub."),
        (["--run", "runs/x"], "Give the model a name with --name"),
        (["--hub", "hub", "--name", "none"], "There is no checkpoint none.safetensors."),
        (["--hub", "hub", "--into", "."], "There is no checkpoint in"),
    ],
)
def test_what_cannot_be_written_is_one_sentence(
    words: list[str],
    said: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["bundle", *words]) == 2
    assert said in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []
