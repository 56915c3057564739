"""Rows as vectors: statistics of training, worked out by hand."""

import numpy as np
import pytest

from mckd.tables import columns
from mckd.tables.columns import Columns
from mckd.tables.files import TableError

NAN = np.nan


def words(*values):
    return np.array([*values, None], object)[:-1]


TABLE = {
    "age": np.array([1.0, 3.0, NAN, 5.0]),  # mean 3, variance (4 + 0 + 4) / 3
    "sex": words("F", "m", "f", None),  # f: 2 of 3, m: 1 of 3
    "same": np.array([7.0, 7.0, 7.0, NAN]),
}


@pytest.fixture
def fitted():
    return Columns.fit(TABLE)


def test_numbers_and_categories_are_standardised_by_training(fitted):
    x = fitted.encode(TABLE, "blood")
    assert x.shape == (4, 4)  # age, f, m, same
    age = 2 / np.sqrt(8 / 3)
    np.testing.assert_allclose(x[:, 0], [-age, 0, 0, age], rtol=1e-6)
    f = np.sqrt(2 / 3 * 1 / 3)  # of a share p: sqrt(p (1 - p))
    np.testing.assert_allclose(x[:, 1], np.array([1 / 3, -2 / 3, 1 / 3, 0]) / f, rtol=1e-6)
    np.testing.assert_allclose(x[:, 2], -x[:, 1], rtol=1e-6)
    np.testing.assert_array_equal(x[:, 3], 0)


def test_missing_values_and_unknown_categories_are_the_training_mean(fitted):
    row = fitted.row({"age": None, "sex": "x", "same": 1}, "blood")
    np.testing.assert_array_equal(fitted.encode(row, "blood"), [[0, 0, 0, 0]])


@pytest.mark.parametrize("value", [10**400, -(10**400), "1e999", np.inf, "-inf"])
def test_infinite_values_are_missing_as_in_files(fitted, value):
    row = fitted.row({"age": value, "sex": "f"}, "blood")
    assert np.isnan(row["age"]).all()


def test_values_far_away_are_bounded(fitted):
    row = fitted.row({"age": 1e300}, "blood")
    assert fitted.encode(row, "blood")[0, 0] == columns.FARTHEST


def test_any_unit_is_standardised_alike():
    moles = np.array([1e-13, 3e-13, 5e-13])  # deviation sqrt(8 / 3) of these units
    fitted = Columns.fit({"same": np.full(3, 0.1), "moles": moles, "around 0": moles - 3e-13})
    x = fitted.encode({"same": np.full(3, 0.1), "moles": moles, "around 0": moles - 3e-13}, "blood")
    expected = np.array([-2, 0, 2]) / np.sqrt(8 / 3)
    np.testing.assert_allclose(x, np.stack([0 * expected, expected, expected], 1), atol=1e-6)


def test_free_text_is_not_used(monkeypatch):
    monkeypatch.setattr(columns, "MOST_CATEGORIES", 2)
    table = {"name": words("a", "b", "c"), "x": np.array([1.0, 2.0, 3.0])}
    fitted = Columns.fit(table)
    assert fitted.unused == ["name"]
    assert fitted.encode(table, "blood").shape == (3, 1)
    assert fitted.row(["anything", 2], "blood")["x"] == [2.0]  # it keeps its place in a row


def test_a_checkpoint_gives_the_same_columns(fitted):
    again = Columns.from_json(fitted.to_json(), fitted.mean, fitted.inverse_std)
    assert again.features == fitted.features
    with pytest.raises(ValueError, match="other columns"):
        Columns.from_json(fitted.to_json()[:1], fitted.mean, fitted.inverse_std)


class TestRow:
    def test_by_name_and_by_order_are_the_same(self, fitted):
        named = fitted.row({"sex": "m", "age": 4}, "blood")
        ordered = fitted.row([4, "m", None], "blood")
        np.testing.assert_array_equal(fitted.encode(named, "x"), fitted.encode(ordered, "x"))

    def test_as_a_csv_reader_gives_it(self, fitted):
        read = fitted.row({"id": "n17", "age": "4.0", "sex": "m", "same": ""}, "blood")
        np.testing.assert_array_equal(read["age"], [4.0])
        np.testing.assert_array_equal(read["same"], [NAN])

    def test_numpy_values_are_values(self, fitted):
        row = fitted.row(np.array([4.0, NAN, 7.0]), "blood")
        np.testing.assert_array_equal(row["age"], [4.0])
        assert row["sex"].tolist() == [None]

    @pytest.mark.parametrize(
        ("row", "sentence"),
        [
            ({"aeg": 4}, "blood has no column 'aeg'. Did you mean 'age'?"),
            ({"zzz": 4}, "blood has no column 'zzz'. Known: age, sex, same."),
            ([4], "A row of blood has 3 values, from age to same; given are 1."),
            ({"age": "old"}, "The column 'age' of blood takes a number, not 'old'."),
            ({"age": "1_0"}, "The column 'age' of blood takes a number, not '1_0'."),
            ({"age": [4]}, "The column 'age' of blood takes a number, not [4]."),
            ({}, "The row of blood holds no value. Leave the modality out."),
            ([None, "", NAN], "The row of blood holds no value. Leave the modality out."),
            (
                "4,m,7",
                "A row of blood is a mapping of columns to values, or its values in the "
                "order of the file, not str.",
            ),
            (
                4,
                "A row of blood is a mapping of columns to values, or its values in the order of "
                "the file, not int.",
            ),
        ],
    )
    def test_what_is_wrong_is_one_sentence(self, fitted, row, sentence):
        with pytest.raises(TableError) as caught:
            fitted.row(row, "blood")
        assert str(caught.value) == sentence


class TestFilesOfOtherTypes:
    def test_a_missing_column_is_named(self, fitted):
        with pytest.raises(TableError, match="no column 'age'"):
            fitted.encode(
                {"Age": TABLE["age"], "sex": TABLE["sex"], "same": TABLE["same"]}, "blood"
            )

    def test_words_for_numbers_are_refused(self, fitted):
        with pytest.raises(TableError, match="holds 'old' in the column 'age'"):
            fitted.encode({**TABLE, "age": words("old", None)}, "blood")

    def test_an_empty_column_is_missing(self, fitted):
        x = fitted.encode({**TABLE, "age": words(None, None, None, None)}, "blood")
        np.testing.assert_array_equal(x[:, 0], 0)

    def test_numbers_for_categories_are_their_words(self):
        fitted = Columns.fit({"grade": words("1", "2", "x"), "x": np.arange(3.0)})
        x = fitted.encode({"grade": np.array([1.0, NAN, 2.0]), "x": np.arange(3.0)}, "blood")
        assert x[0, 0] > 0 > x[2, 0]
        assert x[1, 0] == 0
