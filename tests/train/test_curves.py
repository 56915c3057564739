"""Fig. 4 and 5: what run folders have recorded, and what they have not."""

import json
from argparse import Namespace

import pytest

from mckd.files.runs import RunError
from mckd.tumour.about import ABOUT
from train.curves import Recorded, fill_distances, weights_and_losses

RECORDS = [
    {"step": 1, "loss": 3.0, "task_loss": 2.0, "meta_loss": 1.0, "iwv": {"t2": 0.6, "flair": 0.4}},
    {"step": 2, "loss": 2.0, "task_loss": None, "iwv": {"t2": 0.7, "flair": 0.3}},
]
FILLED = [{"step": 2, "fill_l1": {"t1": 0.5}, "fill_cosine": {"t1": 0.9}}]


@pytest.fixture
def run(tmp_path):
    def make(records, name="one", task="tumour"):
        folder = tmp_path / name
        folder.mkdir()
        (folder / "config.json").write_text(json.dumps({"task": task}))
        (folder / "records.jsonl").write_text("".join(json.dumps(r) + "\n" for r in records))
        return folder

    return make


def test_weights_are_in_the_task_s_order_words_and_colours(run):
    flair, t2 = Recorded.read(run(RECORDS)).named("iwv")
    assert (flair.label, flair.x, flair.y) == ("FLAIR", [1, 2], [0.4, 0.3])
    assert (t2.label, t2.colour) == ("T2", ABOUT.series["t2"].colours[0])


def test_names_that_only_the_data_knows_are_shown_as_they_are(run):
    (weight,) = Recorded.read(run([{"step": 5, "iwv": {"blood_test": 1.0}}], task="tables")).named(
        "iwv"
    )
    assert (weight.label, weight.x, weight.y) == ("blood_test", [5], [1.0])


def test_losses_are_the_terms_where_they_are_numbers(run):
    task, meta = Recorded.read(run(RECORDS)).losses()
    assert (task.label, task.x, task.y) == ("task", [1], [2.0])
    assert (meta.label, meta.x, meta.y) == ("meta", [1], [1.0])


def test_a_run_that_has_not_recorded_it_is_left_out(run, tmp_path):
    runs = [run(RECORDS), run(FILLED, "two")]
    fill_distances(Namespace(out=tmp_path, runs=runs))
    drawn = json.loads((tmp_path / "fig5.json").read_text())
    assert [line["y"] for line in drawn["data"]] == [[0.5], [0.9]]
    assert [note["text"] for note in drawn["layout"]["annotations"]] == [
        "two: L1 distance",
        "two: cosine",
    ]
    with pytest.raises(RunError, match=r"None of these runs .* fig5"):
        fill_distances(Namespace(out=tmp_path, runs=runs[:1]))


def test_a_system_without_weights_still_has_losses(run, tmp_path):
    without = [{key: r[key] for key in r if key != "iwv"} for r in RECORDS]
    weights_and_losses(Namespace(out=tmp_path, runs=[run(without)]))
    drawn = json.loads((tmp_path / "fig4.json").read_text())
    assert {line["name"] for line in drawn["data"]} == {"task", "meta"}
    assert drawn["layout"]["annotations"][0]["text"] == "one: importance weights (not recorded)"


def test_a_folder_that_is_no_run_is_named(tmp_path):
    with pytest.raises(RunError, match=r"^\S+ is no run folder: it holds no record\.$"):
        Recorded.read(tmp_path)
