"""The loop on a small task of its own: what a run leaves behind, and that it can be killed."""

import json
import shutil
import subprocess
import sys

import pytest
import torch

from mckd.files.checkpoint import load_checkpoint
from mckd.files.runs import MODEL, RunError, RunFolder
from mckd.method import NonFiniteLossError
from tests.patience import PATIENCE_S
from tests.train.runs import ROOT, assert_same_weights, command, run_here, weights
from train.digits.commands import BUNDLED
from train.digits.protocol import PaperTask
from train.digits.settings import PRESETS
from train.loop import lr_factor, train
from train.settings import SettingsError, TrainSettings, override
from train.workers import Workers


class TestWhatARunLeavesBehind:
    @pytest.fixture(scope="class")
    @staticmethod
    def run(tmp_path_factory):
        folder = tmp_path_factory.mktemp("runs") / "one"
        assert run_here(folder) == "finished"
        return RunFolder(folder)

    def test_config_holds_every_setting_and_which_pictures(self, run):
        config = run.config()
        assert config["config"]["method"]["alpha"] == 0.1
        assert config["modalities"] == ["visual", "audio"]
        assert len(config["provenance"]["image_index"]["train"]) > 0

    def test_records_are_complete(self, run):
        rows, _ = run.records()
        assert [r["step"] for r in rows] == sorted({r["step"] for r in rows})
        for row in rows:
            assert sum(row["iwv"].values()) == pytest.approx(1.0)
            assert row["loss"] == pytest.approx(
                row["task_loss"] + 0.1 * row["distillation_loss"], rel=1e-4
            )
        assert set(rows[-1]["validation"]) == {"visual", "audio", "both"}
        assert any("meta_loss" in row for row in rows)

    def test_status_says_finished(self, run):
        status = run.status()
        assert (status["state"], status["step"]) == ("finished", status["steps"])
        assert "Test:" in status["message"]

    def test_the_model_says_what_it_is_and_saw(self, run):
        header = load_checkpoint(run.checkpoints / MODEL).header
        assert header["network"] == "paper"
        assert set(header["metrics"]["test"]) == {"visual", "audio", "both"}
        assert header["provenance"]["speakers"]

    def test_starting_it_again_is_refused(self, run):
        with pytest.raises(RunError, match="--resume"):
            run_here(run.path)

    def test_resuming_with_other_settings_is_refused(self, run):
        with pytest.raises(RunError, match="another seed"):
            run_here(run.path, resume=True, seed=5)

    def test_an_option_that_came_later_is_named(self, run, tmp_path):
        """What an earlier version did without it nobody knows."""
        config = run.config()
        del config["config"]["method"]["gate"]
        shutil.copytree(run.path, tmp_path / "old")
        RunFolder(tmp_path / "old").write_config(config)
        with pytest.raises(RunError, match="earlier version, which had no option 'gate'"):
            run_here(tmp_path / "old", resume=True)

    def test_resuming_nothing_is_refused(self, tmp_path):
        with pytest.raises(RunError, match="no run"):
            run_here(tmp_path / "none", resume=True)


def test_same_seed_same_weights_other_seed_other_weights(tmp_path):
    for name, seed in (("a", 3), ("b", 3), ("c", 4)):
        run_here(tmp_path / name, seed=seed, epochs=1)
    assert_same_weights(tmp_path / "a", tmp_path / "b")
    differs = [
        not torch.equal(t, weights(tmp_path / "c")[n]) for n, t in weights(tmp_path / "a").items()
    ]
    assert any(differs)


def test_batches_made_ahead_change_nothing(tmp_path):
    run_here(tmp_path / "a", epochs=1)
    run_here(tmp_path / "b", epochs=1, loaders=3)
    assert_same_weights(tmp_path / "a", tmp_path / "b")


@pytest.mark.parametrize(
    "option",
    [
        {"meta_gradient": "unrolled"},
        {"gating_scale": "modalities"},
        {"gate": "bottleneck", "meta_steps": 2},
        {"p": 2},
        {"distil_norm": "instance", "distil_scales": "all", "clamp": 4.0},
        {"normalisation": "sigmoid"},
        {"normalisation": "relu"},
        {"detach_teacher": False},
        {"drop": "batch"},
        {"warmup_steps": 5},
        {"optimizer": "sgd", "lr": 1e-3, "schedule": "poly", "clip_norm": 1.0},
        {"bf16": True},
        {"accumulate": 3},
        {"meta_every": 0},
    ],
    ids=str,
)
def test_every_option_trains(tmp_path, option):
    assert run_here(tmp_path / "a", epochs=4, **option) == "finished"
    rows, _ = RunFolder(tmp_path / "a").records()
    first, last = rows[0]["iwv"]["visual"], rows[-1]["iwv"]["visual"]
    assert (first == last) == (option.get("meta_every") == 0)


def test_two_processes_train_one_model(tmp_path):
    """torchrun on gloo: finishes, learns, and only one process writes."""
    words = ["-m", "torch.distributed.run", "--nproc-per-node=2", "--standalone", "-m", "train"]
    words += ["digits", "--preset", "smoke", "--epochs", "6", "--threads", "1"]
    done = subprocess.run(
        [sys.executable, *words, "--out", str(tmp_path / "two")],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    rows, _ = RunFolder(tmp_path / "two").records()
    assert [r["step"] for r in rows] == sorted({r["step"] for r in rows})
    assert rows[-1]["task_loss"] < 0.8 * rows[0]["task_loss"]


@pytest.mark.parametrize("rank", [0, 1])
def test_a_batch_is_shared_out_evenly_or_refused(rank, tmp_path):
    """Three samples on two processes: one of each is one too few, two and one count unequally."""
    settings = override(PRESETS["smoke"](), {"batch_size": 3})
    task, run = PaperTask(settings, BUNDLED), RunFolder(tmp_path / "a")
    two = Workers(rank, 2, torch.device("cpu"))
    with pytest.raises(SettingsError, match="--batch-size 3 cannot be shared out to 2 processes"):
        train(task, settings, run, two, name="digits", preset="smoke", command="")
    assert not run.path.exists()


def test_a_non_finite_loss_ends_the_run_as_failed(tmp_path):
    class Broken(PaperTask):
        def loss(self, output, target, twice=False):
            return super().loss(output, target, twice) * float("nan")

    settings = override(PRESETS["smoke"](), {"epochs": 2, "audio_rate": 0.5})
    with pytest.raises(NonFiniteLossError, match="at step 0"):
        run_here(tmp_path / "a", task=Broken(settings, BUNDLED))
    status = RunFolder(tmp_path / "a").status()
    assert status["state"] == "failed"
    assert "at step 0" in status["message"]


def test_errors_of_the_command_are_one_line(tmp_path):
    """By the command as it is started; others are told the same in this process."""
    done = subprocess.run(
        command(tmp_path / "a", "--data", str(tmp_path)), cwd=ROOT, capture_output=True, text=True
    )
    assert done.returncode == 2
    assert done.stderr.startswith("Error: ")
    assert "python -m train data avmnist" in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1


def test_schedules():
    def factors(**changes):
        settings = TrainSettings(epochs=60, **changes)
        return [round(lr_factor(settings, step, 600, 10), 4) for step in (0, 199, 200, 300, 599)]

    assert factors(schedule="constant") == [1, 1, 1, 1, 1]
    assert factors(schedule="step") == [1, 1, 0.9, 0.9, 0.81]
    assert factors(schedule="cosine")[3] == 0.5
    assert factors(schedule="poly")[3] == round(0.5**0.9, 4)
    assert factors(schedule="cosine", lr_warmup=0.5)[0] == round(1 / 301, 4)
    assert factors(schedule="cosine", lr_warmup=0.5)[3] == 1.0


def test_records_are_json_lines(tmp_path):
    run_here(tmp_path / "a", epochs=1)
    for line in (tmp_path / "a" / "records.jsonl").read_text().splitlines():
        json.loads(line)
