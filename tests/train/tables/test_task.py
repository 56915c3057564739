"""Tables as a task of the training loop."""

import numpy as np
import pytest
import torch

from mckd.files.checkpoint import load_checkpoint
from mckd.files.runs import RunFolder
from mckd.systems import SYSTEMS, fitting
from tests.tables.folders import hospital, lines, write
from tests.tables.trained import trained
from train.__main__ import main
from train.settings import SettingsError, override
from train.tables.settings import PRESETS, TableSettings, smoke
from train.tables.task import TableTask


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return hospital(tmp_path_factory.mktemp("tables") / "h", 200)


def task(folder, **changes):
    return TableTask(override(smoke(), changes), folder)


def test_batches_hold_rows_of_the_training_part(folder):
    made = task(folder, noise=0.0)
    batch = made.training_batch(0, 0, 1)
    assert [x.shape for x in batch.inputs] == [(32, 2), (32, 6), (32, 5)]  # f, M, I, II, III, age
    assert batch.present.shape == (32, 3)
    assert torch.equal(batch.target, made.training_batch(0, 0, 1).target)
    halves = [made.training_batch(0, rank, 2).target for rank in (0, 1)]
    assert sorted(torch.cat(halves).tolist()) == sorted(batch.target.tolist())


def test_statistics_are_of_the_training_part_alone(folder):
    made = task(folder, noise=0.0)
    seen = torch.cat([made.training_batch(k, 0, 1).inputs[2] for k in range(5)])
    assert seen.mean(0).abs().max() < 0.2
    test = made._rows["test"].inputs[2].mean(0)
    assert test.abs().max() > 1e-3


def test_noise_is_a_function_of_the_step(folder):
    made = task(folder)
    a, b, c = (made.training_batch(k, 0, 1).inputs[0] for k in (3, 3, 4))
    assert torch.equal(a, b)
    assert not torch.equal(a, c)


def test_a_meta_batch_is_of_the_validation_part(folder):
    made = task(folder)
    known = {tuple(row) for row in made._rows["validation"].inputs[2].tolist()}
    assert all(tuple(row) in known for row in made.meta_batch(0, 0, 1).inputs[2].tolist())


def test_rows_can_be_taken_away_in_training_only(folder):
    whole, half = task(folder), task(folder, missing_rate=0.6)
    assert half._rows["train"].present.float().mean() < 0.6
    assert torch.equal(half._rows["test"].present, whole._rows["test"].present)


def test_the_header_says_how_to_rebuild_and_what_chance_is(folder):
    made = task(folder)
    assert made.header["target"]["classes"] == ["high", "low", "mid"]
    assert list(made.header["columns"]) == ["blood", "clinical", "scan"]
    assert made.header["columns"]["clinical"][1] == ["sex", "f", "m"]
    labels = made._rows["test"].target
    common = made._rows["train"].target.bincount().argmax()
    assert made.header["nothing"] == pytest.approx((labels == common).float().mean().item())


def test_one_modality_is_named_or_the_nearest_is(folder):
    assert task(folder, only="scan").parts.modalities == ("scan",)
    with pytest.raises(SettingsError, match="Did you mean 'scan'"):
        task(folder, only="scna")


def test_a_table_of_free_text_is_refused(tmp_path):
    folder = hospital(tmp_path / "h", 80)
    write(folder, notes=lines(["id", "said"], [(f"case {k:03}", f"note {k}") for k in range(80)]))
    with pytest.raises(SettingsError, match="No column of notes can be used"):
        task(folder)


def test_rare_classes_count_as_much_when_balanced(tmp_path):
    rng = np.random.default_rng(0)
    ids, y = [f"s{k}" for k in range(200)], ["rare"] * 10 + ["often"] * 190
    table = lines(["id", "x"], zip(ids, rng.normal(size=200).round(3), strict=True))
    folder = write(
        tmp_path / "rare", labels=lines(["id", "y"], zip(ids, y, strict=True)), a=table, b=table
    )
    made = task(folder, balanced=True, smoothing=0.0)
    often, rare = made._weights
    assert rare / often == pytest.approx(19, rel=0.1)
    assert made.header["nothing"] == 0.5
    assert made.provenance["scores"] == "balanced accuracy of every subset"
    logits = torch.zeros(20, 2)
    target = torch.tensor([1] + [0] * 19)
    assert made.loss(logits, target) == pytest.approx(np.log(2))


def test_a_number_is_not_balanced(tmp_path):
    with pytest.raises(SettingsError, match="--balanced is for classes"):
        task(hospital(tmp_path / "h", 60, regression=True), balanced=True)


def test_many_modalities_are_scored_by_a_stated_sample(tmp_path):
    rng = np.random.default_rng(0)
    ids = [f"s{k}" for k in range(60)]
    tables = {
        f"t{m}": lines(["id", "x"], zip(ids, rng.normal(size=60).round(3), strict=True))
        for m in range(7)
    }
    labels = lines(["id", "y"], zip(ids, "ab" * 30, strict=True))
    made = task(write(tmp_path / "seven", labels=labels, **tables))
    assert made.provenance["scores"] == "accuracy of 63 of 127 subsets, drawn once"
    assert len(made.test(made.parts.network())) == 64  # and the mean


@pytest.mark.parametrize("system", fitting("vectors"))
def test_every_system_is_trained_and_loaded(folder, system):
    from mckd.tables import TableClassifier

    only = {"only": "scan"} if SYSTEMS[system].of_one else {}
    path = trained(folder, system=system, epochs=1, validate_every=1, **only)
    scores = load_checkpoint(path).header["metrics"]["test"]
    assert next(iter(scores)) == "all"
    found = TableClassifier.load(path).predict({"scan": [1, 1, 1, 1, 1]})
    assert found.probabilities.sum() == pytest.approx(1)


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"validation": 0.0}, "--validation is a share"),
        ({"validation": 0.5, "test": 0.5}, "leave nothing to train on"),
        ({"missing_rate": 1.0}, "--missing-rate is a share"),
        ({"hidden": 0}, "--hidden must be at least 1"),
        ({"noise": -1.0}, "--noise is from 0 to 10"),
        ({"problem": "clustering"}, "--problem must be one of auto, classification, regression"),
    ],
)
def test_settings_that_cannot_be(changes, sentence):
    with pytest.raises(SettingsError, match=sentence):
        override(smoke(), changes)


def test_presets_are_settings():
    for make in PRESETS.values():
        assert isinstance(make(), TableSettings)


class TestResumedWithData:
    """A run is gone on with on the data that it began with, and on no others."""

    @pytest.fixture
    def command(self, tmp_path, monkeypatch, one_thread):
        """The status of `train tables --data NAME`, in a folder that holds a, b and other."""
        monkeypatch.chdir(tmp_path)
        monkeypatch.setattr("train.__main__.keep_memory", lambda: None)
        monkeypatch.setattr("train.tables.task.FEWEST_STEPS", 2)
        for name in ("a", "b"):
            hospital(tmp_path / name, 60)
        hospital(tmp_path / "other", 60, seed=1)

        def command(data, *more):
            words = ["tables", "--preset", "smoke", "--epochs", "1", "--data", data, "--out", "run"]
            return main([*words, *more])

        assert command("a") == 0
        return command

    def test_other_data_of_the_same_size_is_refused_in_a_sentence(self, command, capsys):
        for more in ((), ("--epochs", "2")):
            assert command("other", "--resume", *more) == 2
            (line,) = capsys.readouterr().err.splitlines()
            assert "The run run was started with other data" in line
            assert "It was started with: python -m train" in line
        assert RunFolder("run").config()["config"]["epochs"] == 1

    def test_the_same_data_may_have_moved(self, command):
        assert command("b", "--resume") == 0

    def test_a_run_of_before_that_kept_only_counts_goes_on(self, command):
        config = RunFolder("run").config()
        del config["provenance"]["content"]
        RunFolder("run").write_config(config)
        assert command("b", "--resume") == 0
