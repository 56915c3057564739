"""What a run was told shapes its network; whoever loads the checkpoint gets that network."""

import dataclasses

import numpy as np
import pytest
import torch

from mckd.digits import DigitClassifier
from mckd.digits.data import read_pictures, read_recordings
from mckd.digits.network import StudioNetwork
from mckd.digits.wave import read_wave
from mckd.files.checkpoint import CheckpointError, save_checkpoint
from mckd.files.runs import MODEL, RunFolder
from mckd.method import MethodOptions, subsets
from mckd.tumour import SEQUENCES, TumourSegmenter, read_case
from tests.train.tumour.test_task import write_case
from train import loop
from train.digits import studio
from train.digits.settings import PRESETS as DIGITS
from train.settings import override
from train.state import TrainingState
from train.tumour import task as tumours
from train.tumour.settings import PRESETS as TUMOURS
from train.workers import join_workers

OTHERWISE = {
    "alpha": 0.3,
    "p": 2,
    "normalisation": "sigmoid",
    "detach_teacher": False,
    "meta_gradient": "unrolled",
    "distil_norm": "instance",
    "distil_scales": "all",
    "clamp": 3.0,
    "gating_scale": "one",
    "gate": "bottleneck",
    "fill": "zero",
    "fill_reconstruction": 0.5,
    "fill_kl": 0.5,
    "meta_every": 2,
    "meta_steps": 2,
    "iwv_lr": 0.5,
    "iwv_weight_decay": 0.1,
}
SHAPING = {"network": "studio", "et_min_ml": 0.02, "least_part": 0.5}
FILLERS = [{"fill": "learned"}, {"fill": "vae"}]


def test_every_option_is_tried_with_another_value_than_its_preset_s():
    for preset in (DIGITS["studio"](), TUMOURS["smoke"]()):
        assert set(OTHERWISE) == {f.name for f in dataclasses.fields(MethodOptions)}
        for name, value in OTHERWISE.items():
            assert getattr(preset.method, name) != value


pytestmark = pytest.mark.usefixtures("one_thread")


def trained(task, settings, folder, name, monkeypatch):
    """Two steps: the checkpoint's path, and the network and w as they were in the trainer."""
    made = []
    keep = lambda *given: made.append(TrainingState(*given)) or made[-1]  # noqa: E731
    monkeypatch.setattr(loop, "TrainingState", keep)
    with join_workers() as workers:
        loop.train(
            task, settings, RunFolder(folder), workers,
            name=name, preset="", command="", say=lambda line: None,
        )  # fmt: skip
    return folder / "checkpoints" / MODEL, made[-1].final, made[-1].system.weights()


@pytest.mark.parametrize("option", OTHERWISE)
def test_digits(option, tmp_path, bundled, monkeypatch):
    monkeypatch.setattr(studio.StudioTask, "steps_per_epoch", 2)
    changes = {"epochs": 1, "batch_size": 8, "ema": 0.0, "meta_every": 1, "bf16": False}
    settings = override(DIGITS["studio"](), changes | {option: OTHERWISE[option]})
    task = studio.StudioTask(settings, bundled, None)
    path, network, w = trained(task, settings, tmp_path, "digits", monkeypatch)
    loaded, ours = DigitClassifier.load(path), DigitClassifier(network, w, {})
    assert loaded.importance == ours.importance
    image = 255 - np.kron(read_pictures(bundled)[0].images[0], np.ones((10, 10), np.uint8))
    sound = read_wave(read_recordings(bundled)[0].path)
    for given in ((image, None), (None, sound), (image, sound)):
        a, b = loaded.predict(*given), ours.predict(*given)
        assert np.array_equal(a.probabilities, b.probabilities)
    network.fill = "mean" if network.fill == "zero" else "zero"
    other = DigitClassifier(network, w, {}).predict(image)
    assert not np.array_equal(loaded.predict(image).probabilities, other.probabilities)


@pytest.mark.parametrize(
    "changed", [*({o: v} for o, v in (OTHERWISE | SHAPING).items()), *FILLERS], ids=str
)
def test_tumours(changed, tmp_path, monkeypatch):
    monkeypatch.setattr(tumours, "BRAIN", (32, 32, 32))
    monkeypatch.setattr(tumours.TumourTask, "steps_per_epoch", 2)
    for number in range(3):
        write_case(tmp_path / "cases", number)
    changes = {"folds": 3, "fold": -1, "epochs": 1, "crop": 0, "ema": 0.0, "meta_every": 1}
    settings = override(TUMOURS["smoke"](), changes | changed)
    task = tumours.TumourTask(settings, tmp_path / "cases")
    path, network, w = trained(task, settings, tmp_path / "run", "tumour", monkeypatch)
    loaded = TumourSegmenter.load(path, bf16=False)
    about = {"et_min_ml": settings.et_min_ml, "least_part": settings.least_part}
    ours = TumourSegmenter(network, w, about, bf16=False)
    assert loaded.importance == ours.importance
    case = read_case(tmp_path / "cases" / "case_001")
    a, b = loaded.encode(case), ours.encode(case)
    for subset in subsets(SEQUENCES):
        found, wanted = loaded.decide(a, subset), ours.decide(b, subset)
        assert np.array_equal(found.cropped_probabilities, wanted.cropped_probabilities)
        assert np.array_equal(found.cropped, wanted.cropped)


@pytest.mark.parametrize("method", [{"fill": "median"}, {"invented": 1}], ids=str)
def test_options_that_nobody_knows_are_refused(method, tmp_path, bundled):
    from tests.untrained import save_tumour

    save_tumour(tmp_path / "a.safetensors", settings={"method": method})
    with pytest.raises(CheckpointError, match="does not fit"):
        TumourSegmenter.load(tmp_path / "a.safetensors")
    network = StudioNetwork()
    tensors = {f"network/{name}": t for name, t in network.state_dict().items()}
    header = {"network": "studio", "modalities": ["visual", "audio"], "normalisation": "softmax"}
    save_checkpoint(
        tmp_path / "b.safetensors",
        {**tensors, "iwv": torch.zeros(2)},
        header | {"settings": {"method": method}},
    )
    with pytest.raises(CheckpointError, match="does not fit"):
        DigitClassifier.load(tmp_path / "b.safetensors")
