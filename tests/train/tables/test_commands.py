"""`python -m train tables` and its benches, as typed."""

import builtins
import csv

import pytest

from mckd.files.runs import RunFolder
from mckd.tables import TableClassifier
from tests.tables.folders import hospital
from train.__main__ import main
from train.tables import trees
from train.tables.trees import RATES, Fit, table

FEW = ["--preset", "smoke", "--hidden", "16", "--width", "8", "--threads", "1"]


@pytest.fixture
def folder(tmp_path):
    return hospital(tmp_path / "h", 100)


def test_a_run_is_trained_and_recorded_with_its_weights(folder, tmp_path):
    out = tmp_path / "run"
    words = ["tables", "--data", str(folder), "--out", str(out), *FEW, "--epochs", "2"]
    assert main(words) == 0
    run = RunFolder(out)
    records, _ = run.records(0)
    assert set(records[-1]["iwv"]) == {"blood", "clinical", "scan"}
    assert list(records[-1]["validation"]) == ["all", "blood", "clinical", "scan", "mean"]
    assert run.config()["modalities"] == ["blood", "clinical", "scan"]
    classifier = TableClassifier.load(out / "checkpoints" / "model.safetensors")
    assert classifier.predict({"scan": [1, 2, 3, 4, 5]}).present == {"scan"}
    assert len(classifier.test_scores()[0]) == 7


def test_what_cannot_be_trained_is_one_sentence(folder, tmp_path, capsys):
    (folder / "labels.csv").unlink()
    assert main(["tables", "--data", str(folder), "--out", str(tmp_path / "run"), *FEW]) == 2
    said = capsys.readouterr().err
    assert said.startswith("Error: There is no labels.csv in h.")
    assert said.count("\n") == 1


class TestTrees:
    def compare(self, folder, out, monkeypatch):
        """One seed, the forest alone: seconds instead of minutes."""
        monkeypatch.setattr(trees, "COMPARED", {"random forest": trees._forest})
        monkeypatch.setattr(trees, "ABLATIONS", {})
        words = ["bench", "trees", "--tables", str(folder), "--out", str(out), "--seeds", "1"]
        return main([*words, "--threads", "1"])

    def test_results_are_kept_and_not_made_again(self, folder, tmp_path, monkeypatch, capsys):
        pytest.importorskip("sklearn", reason="scikit-learn is not installed")
        out = tmp_path / "trees"
        assert self.compare(folder, out, monkeypatch) == 0
        with (out / "results.csv").open(newline="") as file:
            rows = list(csv.DictReader(file))
        assert [float(row["rate"]) for row in rows] == list(RATES)
        assert all(float(row["all"]) > 0.5 for row in rows)  # by chance a third
        before = (out / "results.csv").read_bytes()
        assert self.compare(folder, out, monkeypatch) == 0
        assert (out / "results.csv").read_bytes() == before
        assert (out / "table.md").read_text().count("random forest") == 3

        other = hospital(tmp_path / "other", 100, seed=1)  # under the same names
        assert self.compare(other, out, monkeypatch) == 2
        assert "were made with another --tables" in capsys.readouterr().err
        assert (out / "results.csv").read_bytes() == before

    def test_without_scikit_learn_it_says_what_to_install(
        self, folder, tmp_path, monkeypatch, capsys
    ):
        real = builtins.__import__

        def without(name, *rest):
            if name == "sklearn":
                raise ImportError
            return real(name, *rest)

        monkeypatch.setattr(builtins, "__import__", without)
        assert self.compare(folder, tmp_path / "trees", monkeypatch) == 2
        assert "pip install scikit-learn" in capsys.readouterr().err

    def test_a_folder_has_to_be_named(self, capsys):
        assert main(["bench", "trees", "--threads", "1"]) == 2
        assert "--out" in capsys.readouterr().err

    def test_the_table_is_of_means_and_deviations(self):
        fits = [Fit("MCKD", 0.3, 0), Fit("MCKD", 0.3, 1), Fit("MCKD", 0.6, 0)]
        row = {"system": "MCKD", "rate": "0.3", "seconds": "9"}
        done = {
            fits[0].key: {**row, "seed": "0", "all": "0.9"},
            fits[1].key: {**row, "seed": "1", "all": "0.8"},
        }
        lines = table(done, fits).splitlines()
        # The deviation of 90 and 80: sqrt(2 * 5^2 / 1).
        assert lines[2:] == ["| 30% | MCKD | 2 | 85.00 ± 7.07 | 9 |"]
        assert table({}, fits) == ""
