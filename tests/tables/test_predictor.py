"""A trained model, loaded from its checkpoint alone."""

import numpy as np
import pytest
import torch

from mckd.files.checkpoint import CheckpointError, load_checkpoint, save_checkpoint
from mckd.method import subsets
from mckd.tables import TableClassifier, TableError
from mckd.tables.data import read_folder
from mckd.tables.predictor import row_of
from tests.tables.folders import hospital
from tests.tables.trained import trained


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return hospital(tmp_path_factory.mktemp("tables") / "h", 240)


@pytest.fixture(scope="module")
def checkpoint(folder):
    return trained(folder)


@pytest.fixture(scope="module")
def classifier(checkpoint):
    return TableClassifier.load(checkpoint)


@pytest.fixture(scope="module")
def samples(folder):
    return read_folder(folder)


def rows(samples, k, names=None):
    """The rows that sample k has, of these modalities."""
    here = dict(zip(samples.modalities, samples.present[k], strict=True))
    return {m: row_of(samples, m, k) for m in names or here if here[m]}


def test_classes_and_modalities_come_from_the_data(classifier):
    assert classifier.classes == ("high", "low", "mid")
    assert classifier.modalities == ("blood", "clinical", "scan")
    assert sum(classifier.importance.values()) == pytest.approx(1)


def test_it_learned_something(classifier, samples):
    found = [classifier.predict(rows(samples, k)) for k in range(len(samples))]
    right = np.mean([p.label == y for p, y in zip(found, samples.labels, strict=True)])
    assert right > 0.85  # by chance a third
    for k, p in enumerate(found):
        assert p.probabilities.sum() == pytest.approx(1)
        assert classifier.classes[p.probabilities.argmax()] == p.label
        assert p.present == set(rows(samples, k))


def test_scores_are_those_of_single_predictions(classifier, samples):
    some = samples[range(30)]
    scores = classifier.score(some)
    for subset in subsets(samples.modalities):
        alone = [rows(some, k, subset) for k in range(30)]
        found = [
            classifier.predict(r).label == y for r, y in zip(alone, some.labels, strict=True) if r
        ]
        assert scores[subset] == pytest.approx(np.mean(found)), subset


def test_a_switch_is_the_same_as_a_prediction_without_the_row(classifier, samples):
    encoded = classifier.encode(rows(samples, 0))
    for subset in subsets(samples.modalities):
        np.testing.assert_allclose(
            classifier.decide(encoded, subset).probabilities,
            classifier.predict(rows(samples, 0, subset)).probabilities,
            atol=1e-6,
        )


def test_contributions_add_up_to_the_probability_above_chance(classifier, samples):
    encoded = classifier.encode(rows(samples, 0))
    whole = classifier.decide(encoded)
    found = classifier.contributions(encoded)
    assert list(found) == ["blood", "clinical", "scan"]
    assert sum(found.values()) == pytest.approx(whole.probabilities.max() - 1 / 3)
    of_low = classifier.contributions(encoded, "low")
    assert sum(of_low.values()) == pytest.approx(whole.probabilities[1] - 1 / 3)


def test_a_row_in_the_order_of_the_file_is_the_same(classifier, samples):
    named = row_of(samples, "scan", 0)
    ordered = classifier.predict({"scan": list(named.values())})
    assert (classifier.predict({"scan": named}).probabilities == ordered.probabilities).all()


def test_it_knows_which_samples_it_saw(classifier, samples):
    parts = classifier.part_of(samples)
    counts = {part: parts.count(part) for part in ("train", "validation", "test")}
    assert counts == classifier.about["provenance"]["samples"]
    changed = samples[range(len(samples))]
    changed.tables["scan"]["a"] += 1.0
    assert set(classifier.part_of(changed)) == {""}


class TestComplaints:
    @pytest.mark.parametrize(
        ("given", "sentence"),
        [
            ({}, "No modality is present. At least one row is needed."),
            ({"scan": None}, "No modality is present. At least one row is needed."),
            ({"scna": [1] * 5}, "There is no modality 'scna'. Did you mean 'scan'?"),
            ({"scan": {"f": 1}}, "scan has no column 'f'. Known: a, b, c, d, e."),
            ({"scan": [1, 2]}, "A row of scan has 5 values, from a to e; given are 2."),
        ],
    )
    def test_rows(self, classifier, given, sentence):
        with pytest.raises(TableError) as caught:
            classifier.predict(given)
        assert str(caught.value) == sentence

    def test_switches(self, classifier, samples):
        encoded = classifier.encode(rows(samples, 0, ["scan"]))
        with pytest.raises(TableError, match="There is no row of 'blood'"):
            classifier.decide(encoded, {"scan", "blood"})
        with pytest.raises(TableError, match="No modality is present"):
            classifier.decide(encoded, [])

    def test_a_checkpoint_of_another_task(self, tmp_path):
        save_checkpoint(tmp_path / "digits.safetensors", {"x": torch.zeros(1)}, {"task": "digits"})
        with pytest.raises(CheckpointError, match="was not trained on tables"):
            TableClassifier.load(tmp_path / "digits.safetensors")

    @pytest.mark.parametrize("lacks", ["columns", "target", "settings"])
    def test_a_header_that_lacks_something(self, checkpoint, tmp_path, lacks):
        whole = load_checkpoint(checkpoint)
        header = {k: v for k, v in whole.header.items() if k != lacks}
        save_checkpoint(tmp_path / "model.safetensors", whole.tensors, header)
        with pytest.raises(CheckpointError, match="does not fit this version"):
            TableClassifier.load(tmp_path / "model.safetensors")

    def test_statistics_of_other_columns(self, checkpoint, tmp_path):
        whole = load_checkpoint(checkpoint)
        tensors = {**whole.tensors, "columns/0/mean": torch.zeros(9, dtype=torch.float64)}
        save_checkpoint(tmp_path / "model.safetensors", tensors, whole.header)
        with pytest.raises(CheckpointError, match="does not fit this version"):
            TableClassifier.load(tmp_path / "model.safetensors")


def test_numbers_are_predicted_in_their_unit(tmp_path):
    folder = hospital(tmp_path / "h", 240, regression=True)
    classifier, samples = TableClassifier.load(trained(folder)), read_folder(folder)
    assert classifier.classes == ()
    found = [classifier.predict(rows(samples, k)) for k in range(60)]
    true = samples.labels[:60].astype(float)
    residual = ((np.array([p.label for p in found]) - true) ** 2).sum()
    assert residual < 0.4 * ((true - true.mean()) ** 2).sum()
    assert found[0].probabilities.shape == (0,)
    encoded = classifier.encode(rows(samples, 0))
    shares = classifier.contributions(encoded)
    whole = classifier.decide(encoded).label - classifier.target.mean
    assert sum(shares.values()) == pytest.approx(whole)


def test_a_lower_bound_knows_one_modality(folder, samples):
    classifier = TableClassifier.load(trained(folder, system="lower-bound", only="scan"))
    assert classifier.modalities == ("scan",)
    assert classifier.predict(rows(samples, 0, ["scan"])).present == {"scan"}
    with pytest.raises(TableError, match="There is no modality 'blood'"):
        classifier.predict(rows(samples, 0))
