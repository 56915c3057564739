"""A folder of tables becomes samples, whatever rows are missing."""

import numpy as np
import pyarrow as pa
import pyarrow.parquet as parquet
import pytest

from mckd.tables import data
from mckd.tables.data import read_folder
from mckd.tables.files import TableError
from tests.tables.folders import hospital, write


@pytest.fixture
def small(tmp_path):
    """a: in both tables; b: blood only; c: scan only; d: in none; e: no label; f: unknown."""
    return write(
        tmp_path / "small",
        labels="id,y\na,1\nb,2\nc,1\nd,2\ne,\n",
        blood="id,x,kind\nb,2,u\na,1,v\ne,9,u\n",
        scan="id,z\nc,5\na,6\nf,7\n",
    )


def test_samples_have_the_rows_of_their_identifier(small):
    samples = read_folder(small)
    assert samples.ids == ("a", "b", "c")
    assert samples.modalities == ("blood", "scan")
    assert samples.present.tolist() == [[True, True], [True, False], [False, True]]
    np.testing.assert_array_equal(samples.tables["blood"]["x"], [1, 2, np.nan])
    assert samples.tables["blood"]["kind"].tolist() == ["v", "u", None]
    np.testing.assert_array_equal(samples.tables["scan"]["z"], [6, np.nan, 5])
    assert samples.target == "y"
    assert samples.labels.tolist() == ["1", "2", "1"]


def test_what_is_left_out_is_told(small):
    assert read_folder(small).notes == (
        "1 sample without a label left out.",
        "1 sample without any row left out.",
        "1 identifier without a label left out.",
    )


def test_without_labels_every_row_is_a_sample(small):
    (small / "labels.csv").unlink()
    samples = read_folder(small, labelled=False)
    assert samples.ids == ("b", "a", "e", "c", "f")
    assert samples.labels.tolist() == [None] * 5


def test_labels_may_be_there_for_some_only(small):
    samples = read_folder(small, labelled=False)
    assert dict(zip(samples.ids, samples.labels, strict=True))["f"] is None
    assert dict(zip(samples.ids, samples.labels, strict=True))["a"] == "1"


def test_a_row_without_a_value_is_missing(tmp_path):
    folder = write(
        tmp_path / "one", labels="id,y\na,1\nb,2\n", p="id,x\na,\nb,1\n", q="id,x\na,1\nb,1\n"
    )
    assert read_folder(folder).present.tolist() == [[False, True], [True, True]]


def test_csv_and_parquet_stand_side_by_side(small):
    (small / "scan.csv").unlink()
    parquet.write_table(pa.table({"id": ["c", "a"], "z": [5.0, 6.0]}), small / "scan.parquet")
    (small / "README.md").write_text("no table")
    (small / "scan.csv.bak").write_text("no table")
    assert read_folder(small).modalities == ("blood", "scan")


def test_a_folder_in_the_folder_is_found(small):
    (small.parent / "__MACOSX").mkdir()
    assert read_folder(small.parent).ids == ("a", "b", "c")


def test_some_of_the_samples(small):
    some = read_folder(small)[[2, 0]]
    assert some.ids == ("c", "a")
    np.testing.assert_array_equal(some.tables["scan"]["z"], [5, 6])
    assert len(some) == 2


class TestComplaints:
    def complaint(self, folder, **options):
        with pytest.raises(TableError) as caught:
            read_folder(folder, **options)
        return str(caught.value)

    def test_no_labels(self, small):
        (small / "labels.csv").unlink()
        assert "There is no labels.csv in small" in self.complaint(small)

    def test_one_table(self, small):
        (small / "scan.csv").unlink()
        assert "small holds 1 table beside the labels: 2 to 8" in self.complaint(small)

    def test_nine_tables(self, small):
        for k in range(7):
            write(small, **{f"more{k}": "id,x\na,1\n"})
        assert "9 tables" in self.complaint(small)

    def test_one_modality_in_two_files(self, small):
        (small / "scan.tsv").write_text("id\tx\na\t1\n")
        assert "scan.csv and scan.tsv are one modality" in self.complaint(small)

    @pytest.mark.parametrize("name", ["all", "mean", "a+b"])
    def test_a_name_that_scores_have(self, small, name):
        write(small, **{name: "id,x\na,1\n"})
        assert f"cannot be called {name!r}" in self.complaint(small)

    def test_identifiers_that_do_not_fit(self, small):
        write(small, scan="id,z\n001,5\n")
        assert "No row of the table scan" in self.complaint(small)
        assert "(there '001', here 'a')" in self.complaint(small)

    def test_several_columns_of_labels(self, small):
        write(small, labels="id,y,age\na,1,2\nb,2,3\nc,1,4\n")
        assert "Say which one is to be predicted: --target NAME" in self.complaint(small)
        assert read_folder(small, "age").labels.tolist() == ["2", "3", "4"]
        assert "Did you mean 'age'?" in self.complaint(small, target="aeg")

    def test_too_many_columns(self, small, monkeypatch):
        monkeypatch.setattr(data, "MOST_COLUMNS", 2)
        assert "The tables have 3 columns; at most 2" in self.complaint(small)


def test_the_folder_of_a_hospital(tmp_path):
    samples = read_folder(hospital(tmp_path / "h"))
    assert samples.modalities == ("blood", "clinical", "scan")
    assert len(samples) == 90
    assert samples.present[:, 1:].all()
    assert 0.6 < samples.present[:, 0].mean() < 0.95
