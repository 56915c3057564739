"""`python -m train export`: ONNX files that answer as the predictor does."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
import torch

from mckd.digits import DigitClassifier
from mckd.digits.drawing import prepare_picture
from mckd.digits.network import DigitNetwork, StudioNetwork
from mckd.files.checkpoint import load_checkpoint, save_checkpoint
from mckd.tasks import CHECKPOINTS, ROOT
from train import export as module
from train.__main__ import main
from train.export import Decoder, Input

onnxruntime = pytest.importorskip("onnxruntime")
MODEL = CHECKPOINTS / "digits.safetensors"


@pytest.fixture(scope="module")
def out(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("onnx") / "of" / "digits"
    assert main(["export", "--checkpoint", str(MODEL), "--out", str(folder)]) == 0
    return folder


def run(path: Path, **given: Any) -> list[np.ndarray]:
    found: list[np.ndarray] = onnxruntime.InferenceSession(path).run(None, given)
    return found


@pytest.fixture(scope="module")
def stroke() -> np.ndarray:
    picture = np.full((64, 64), 255, np.uint8)
    picture[10:54, 30:35] = 0
    return picture


@pytest.mark.parametrize("names", [{"visual"}, {"audio"}, {"visual", "audio"}], ids="+".join)
def test_probabilities_are_those_of_the_predictor(
    out: Path, stroke: np.ndarray, names: set[str]
) -> None:
    classifier = DigitClassifier.load(MODEL)
    sound = soundfile.read(ROOT / "assets" / "digits" / "examples" / "spoken.wav", dtype="int16")
    heard = classifier.hear(sound)
    given = {"visual": prepare_picture(stroke)[None, None], "audio": heard.log_mel[None, None]}
    features = [
        run(out / f"encoder-{name}.onnx", **{name: x})[0] if name in names else np.full((1, 128), 7)
        for name, x in given.items()
    ]
    present = np.array([[name in names for name in given]])
    stacked = np.stack(features, 1).astype(np.float32)
    (logits,) = run(out / "decoder.onnx", present=present, feature_0=stacked)
    seen = classifier.see(stroke) if "visual" in names else None
    said = classifier.decide(seen, heard if "audio" in names else None)
    told = json.loads((out / "export.json").read_text(encoding="utf-8"))
    logits = logits / told["temperatures"]["both" if len(names) > 1 else min(names)]
    found = np.exp(logits[0] - logits.max()) / np.exp(logits[0] - logits.max()).sum()
    np.testing.assert_allclose(found, said.probabilities, atol=1e-5)


def test_it_says_what_goes_in_and_how_well_it_agrees(out: Path) -> None:
    told = json.loads((out / "export.json").read_text(encoding="utf-8"))
    assert [*told["modalities"]] == ["visual", "audio"]
    assert told["modalities"]["audio"]["shape"] == [1, 1, 40, 80]
    assert told["sha256"] == load_checkpoint(MODEL).sha256
    assert told["largest_difference"] < 1e-5
    assert {path.name for path in out.iterdir()} == {
        "encoder-visual.onnx", "encoder-audio.onnx", "decoder.onnx", "export.json",
    }  # fmt: skip


@pytest.mark.parametrize("fill", ["mean", "zero"])
def test_what_is_not_there_is_filled_as_the_network_fills_it(fill: str) -> None:
    """Eq. 2, worked out by hand, and its ablation."""
    network = StudioNetwork()
    network.fill = fill
    features = torch.tensor([[[1.0, 2.0], [5.0, 9.0]]])
    found = Decoder(network).filled(features, torch.tensor([[False, True]]))
    assert found.tolist() == [[[5.0, 9.0] if fill == "mean" else [0.0, 0.0], [5.0, 9.0]]]


def test_one_modality_alone_is_encoded_to_the_same_bits() -> None:
    network = DigitClassifier.load(MODEL)._network
    assert isinstance(network, DigitNetwork)
    x = torch.rand(3, 1, 28, 28, generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        (alone,) = network.encode_one(x, 0)
        both = network.encode([x, x], torch.tensor([[True, False]] * 3))[0]
    assert torch.equal(alone, both[:, 0])


def test_files_that_answer_otherwise_are_not_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(module, "_write", lambda *_: None)
    monkeypatch.setattr(module, "compare", lambda *_: float("nan"))
    assert main(["export", "--checkpoint", str(MODEL), "--out", str(tmp_path / "out")]) == 2
    assert "gives other outputs than PyTorch" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_a_network_that_fills_in_a_way_of_its_own_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from mckd.digits.parts import parts
    from mckd.systems import system_class

    system = system_class("autoencoder")
    network = system.build(parts("studio"), system.Options())
    header = {"task": "digits", "network": "studio", "modalities": ["visual", "audio"]}
    tensors = {f"network/{name}": t for name, t in network.state_dict().items()}
    path = tmp_path / "model.safetensors"
    save_checkpoint(path, tensors, {**header, "system": "autoencoder", "settings": {}})
    assert main(["export", "--checkpoint", str(path), "--out", str(tmp_path / "out")]) == 2
    assert "fills missing features by networks of its own" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("features", "named"), [("paper", "paper_mfcc"), ("mfcc", "whole_clip_mfcc")]
)
def test_the_paper_s_sounds_are_named_by_what_makes_them(features: str, named: str) -> None:
    """Of the shape that the encoder takes."""
    from mckd.digits import data
    from mckd.files.checkpoint import Checkpoint
    from train.digits.export import inputs

    header = {"network": "paper", "modalities": ["visual", "audio"], "features": features}
    one = inputs(Checkpoint({}, header, ""))["audio"]
    assert one.holds == f"the MFCC of mckd.digits.data.{named}"
    word = np.random.default_rng(0).normal(size=4000).astype(np.float32)
    assert getattr(data, named)(word).shape == one.shape[1:]


@pytest.mark.parametrize("task", ["tables", "tumour"])
def test_every_task_says_what_its_encoders_take(task: str) -> None:
    from importlib import import_module

    from mckd.systems import rebuild

    checkpoint = load_checkpoint(CHECKPOINTS / f"{task}.safetensors")
    export = import_module(f"train.{task}.export")
    inputs: dict[str, Input] = export.inputs(checkpoint)
    network, _ = rebuild(checkpoint, export.parts(checkpoint))
    assert tuple(inputs) == network.modalities
    name, one = next(iter(inputs.items()))
    small = (1, 16, 16, 16) if task == "tumour" else one.shape  # a corner of the window
    with torch.inference_mode():
        features = network.encode_one(torch.zeros(1, *small), network.modalities.index(name))
    assert all(len(f) == 1 for f in features)
