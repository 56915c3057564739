"""Scores of cases by what is drawn from every subset: plainly, as predicted, with an oracle."""

import nibabel
import numpy as np
import pytest
import torch

from mckd.files.checkpoint import load_checkpoint, save_checkpoint
from mckd.files.runs import RunFolder
from mckd.method import subsets
from mckd.tumour import SEQUENCES, TumourSegmenter, read_case
from mckd.tumour.designs import DESIGNS
from mckd.tumour.outline import Credible
from mckd.tumour.parts import TumourParts
from tests import untrained
from tests.train.tumour.test_task import SHAPE, write_case
from train.loop import train
from train.settings import override
from train.tumour import task
from train.tumour.cases import load_cases
from train.tumour.outlines import outlines, subset_scores
from train.tumour.settings import PRESETS
from train.workers import join_workers


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("cases")
    for number in range(4):
        write_case(folder, number)
    return folder


def network():
    torch.manual_seed(0)
    return TumourParts(DESIGNS["smoke"]).network().eval()


def settings_of(**changes):
    return override(PRESETS["smoke"](), {"folds": 2, "crop": 32} | changes)


def test_plain_outlines_are_where_a_region_is_more_likely_than_not(folder):
    """As the segmenter's probabilities have it, from images in float32 rather than float16."""
    case, net = load_cases(folder / "case_001")[0], network()
    segmenter = TumourSegmenter(net, None, {}, bf16=False)
    encoded = segmenter.encode(read_case(folder / "case_001"))
    found = dict(outlines(net, case, credible=None))
    assert list(found) == subsets(SEQUENCES)
    for subset, drawn in found.items():
        likely = segmenter.decide(encoded, subset).cropped_probabilities
        clear = np.abs(likely - 0.5) > 0.005
        assert clear.mean() > 0.5
        assert np.array_equal(drawn.numpy()[clear], (likely > 0.5)[clear]), subset


def test_other_outlines_are_those_of_prediction(folder):
    case, net = load_cases(folder / "case_001")[0], network()
    credible = Credible(0.0, 0.3)
    segmenter = TumourSegmenter(net, None, {"least_part": 0.3}, bf16=False)
    encoded = segmenter.encode(read_case(folder / "case_001"))
    for subset, drawn in outlines(net, case, credible):
        alike = drawn.numpy() == segmenter.decide(encoded, subset).cropped
        assert alike.mean() > 0.97, subset


def test_a_case_without_a_sequence_has_fewer_subsets(tmp_path):
    write_case(tmp_path, 1, sequences=("flair", "t2"))
    found = dict(outlines(network(), load_cases(tmp_path)[0], credible=None))
    assert list(found) == [{"flair"}, {"t2"}, {"flair", "t2"}]


@pytest.mark.parametrize("oracle", ["bottleneck", "skips"])
def test_an_oracle_knows_the_features_of_all_sequences_at_its_scales(folder, oracle):
    """With a decoder that reads nothing else, every subset gets what all sequences give; with
    one that reads nothing of them, the oracle helps nobody."""
    case = load_cases(folder / "case_001")[0]
    for reads, helped in ((slice(0, 1), "bottleneck"), (slice(1, None), "skips")):
        net = network()
        kept = set(list(net.decoder.merges)[reads])
        for merge in net.decoder.merges:
            for weights in merge.parameters() if merge not in kept else ():
                torch.nn.init.zeros_(weights)
        found = dict(outlines(net, case, credible=None, oracle=oracle))
        plain = dict(outlines(net, case, credible=None))
        assert not torch.equal(plain[frozenset({"t1"})], plain[frozenset(SEQUENCES)])
        for subset, drawn in found.items():
            expected = plain[frozenset(SEQUENCES) if oracle == helped else subset]
            assert (drawn == expected).float().mean() > 0.999, subset


def test_oracles_are_among_the_scores_of_a_run_that_asks_for_them(folder):
    net = network()
    scores = task.TumourTask(settings_of(oracle=True), folder).validate(net)
    assert {"oracle_bottleneck", "oracle_skips"} <= set(scores)
    without = task.TumourTask(settings_of(), folder).validate(net)
    assert without == {k: v for k, v in scores.items() if not k.startswith("oracle_")}


def test_a_run_can_be_scored_by_plain_outlines(folder):
    made = [task.TumourTask(settings_of(plain=plain), folder) for plain in (False, True)]
    drawn, plain = (one.validate(network()) for one in made)
    assert drawn.keys() == plain.keys()
    assert drawn != plain


class TestNothingToScore:
    """Heads without tumour in which nothing is found: rightly, so there is no Dice."""

    @pytest.fixture
    def healthy(self, tmp_path):
        for number in range(2):
            write_case(tmp_path / "heads", number, with_labels=False)
            case = tmp_path / "heads" / f"case_{number:03}"
            none = nibabel.Nifti1Image(np.zeros(SHAPE, np.uint8), np.eye(4))
            nibabel.save(none, case / f"{case.name}_seg.nii.gz")
        return tmp_path / "heads"

    def test_there_is_no_mean(self, healthy):
        silent = network()
        with torch.no_grad():
            for parameter in silent.trunk.parameters():
                parameter.zero_()  # probabilities of one half: nowhere more likely than not
        assert subset_scores(silent, load_cases(healthy), None) == {}

    def test_a_run_records_it_and_ends_well(self, healthy, tmp_path, monkeypatch, one_thread):
        """It begins with weights of 0, and a rate too small to move them."""
        monkeypatch.setattr(task.TumourTask, "steps_per_epoch", 1)
        start, said = tmp_path / "start.safetensors", []
        untrained.save_tumour(start)
        given = load_checkpoint(start)
        silent = {name: torch.zeros_like(tensor) for name, tensor in given.tensors.items()}
        save_checkpoint(start, silent, given.header)
        how = {"plain": True, "oracle": True, "lr": 1e-12, "weight_decay": 0.0}
        settings = settings_of(epochs=1, fold=-1, validation=1, **how)
        with join_workers() as workers:
            state = train(
                task.TumourTask(settings, healthy, start=start), settings,
                RunFolder(tmp_path / "run"), workers,
                name="tumour", preset="smoke", command="", say=said.append,
            )  # fmt: skip
        assert state == "finished"
        rows, _ = RunFolder(tmp_path / "run").records()
        assert rows[-1]["validation"] == {}
        assert len(said) == 2
