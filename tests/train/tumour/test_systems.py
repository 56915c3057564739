"""Every system for segmentation goes the whole way: trained, scored, kept, loaded, applied."""

import math

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from mckd.files.checkpoint import load_checkpoint
from mckd.files.runs import MODEL, RunFolder
from mckd.method import predict, presence_mask, subsets
from mckd.systems import SYSTEMS, rebuild
from mckd.tumour import SEQUENCES, TumourSegmenter, read_case
from mckd.tumour.designs import DESIGNS, Design
from mckd.tumour.parts import TumourParts
from tests.train.tumour.test_task import write_case
from train.loop import train
from train.settings import override
from train.tumour import task
from train.tumour.settings import PRESETS
from train.workers import join_workers

TINY = Design(2, (4, 8, 8), (0, 1, 0), (40, 40, 40), normalised=True)
OF_MAPS = [name for name, entry in SYSTEMS.items() if entry.needs == "maps"]


@pytest.fixture(autouse=True)
def small(monkeypatch, one_thread):
    monkeypatch.setitem(DESIGNS, "smoke", TINY)
    monkeypatch.setattr(task.TumourTask, "steps_per_epoch", 3)


def run(name, cases, out, **changes):
    given = {"system": name, "crop": 0, "folds": 3, "epochs": 1, "batch_size": 2, "ema": 0.0}
    settings = override(PRESETS["smoke"](), given | changes)
    with join_workers() as workers:
        train(
            task.TumourTask(settings, cases), settings, RunFolder(out), workers,
            name="tumour", preset="smoke", command="", say=lambda line: None,
        )  # fmt: skip
    return out / "checkpoints" / MODEL


@pytest.fixture(scope="module")
def cases(tmp_path_factory):
    folder = tmp_path_factory.mktemp("cases")
    for number in range(3):
        write_case(folder, number)
    return folder


@pytest.mark.parametrize("name", OF_MAPS)
def test_what_is_loaded_answers_as_what_was_trained(name, cases, tmp_path):
    """In bfloat16 while it trains; each subset as the network's own forward pass, in one window."""
    path = run(name, cases, tmp_path / "run", bf16=True)
    rows, _ = RunFolder(tmp_path / "run").records()
    assert all(math.isfinite(value) for key, value in rows[-1].items() if key.endswith("loss"))
    checkpoint = load_checkpoint(path)
    assert len(checkpoint.header["metrics"]["test"]) >= 15
    network, _ = rebuild(checkpoint, TumourParts(TINY))
    segmenter = TumourSegmenter.load(path, bf16=False)
    case = read_case(cases / "case_001")
    encoded = segmenter.encode(case)
    room = [40 - n for n in case.brain.shape]
    pad = [side for r in room[::-1] for side in (r // 2, r - r // 2)]
    prepared = case.prepared()
    volumes = [F.pad(torch.from_numpy(prepared[s])[None, None], pad) for s in SEQUENCES]
    inside = [slice(r // 2, r // 2 + n) for r, n in zip(room, case.brain.shape, strict=True)]
    for subset in subsets(SEQUENCES):
        nothing = torch.full_like(volumes[0], torch.nan)
        inputs = [v if s in subset else nothing for s, v in zip(SEQUENCES, volumes, strict=True)]
        answer = predict(network, inputs, presence_mask(subset, SEQUENCES, 1, "cpu"))
        found = segmenter.decide(encoded, subset).cropped_probabilities
        expected = answer[(0, slice(None), *inside)].sigmoid()
        assert np.allclose(found, expected, atol=1e-5), subset
