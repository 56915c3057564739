"""One table from one file, however people save it."""

import gzip
import re

import numpy as np
import pyarrow as pa
import pyarrow.parquet as parquet
import pytest

from mckd.tables import files
from mckd.tables.files import TableError, modality_of, read_table


@pytest.fixture
def saved(tmp_path):
    def save(data, name="blood.csv"):
        path = tmp_path / name
        path.write_bytes(data.encode() if isinstance(data, str) else data)
        return path

    return save


def same(values, expected):
    np.testing.assert_array_equal(values, np.array(expected, values.dtype))


class TestCsv:
    def test_numbers_words_and_missing_values(self, saved):
        table = read_table(saved("id,crp,sex,empty\na,1.5,f,\nb,,M,\nc,NA,?,\nd,-2e-1,f,\n"))
        assert table.ids == ("a", "b", "c", "d")
        same(table.columns["crp"], [1.5, np.nan, np.nan, -0.2])
        same(table.columns["sex"], ["f", "M", None, "f"])
        same(table.columns["empty"], [None] * 4)

    @pytest.mark.parametrize(
        "text",
        [
            "id;crp;sex\na;1,5;f\nb;2;M\n",
            "id\tcrp\tsex\na\t1.5\tf\nb\t2\tM\n",
            "id|crp|sex\na|1.5|f\nb|2|M\n",
            '"id","crp","sex"\r\n"a","1.5","f"\r\n"b","2","M"\r\n',
            "id, crp , sex\n a, 1.5 ,f \n b,+2,M\n\n\n",
            "id,crp,sex\ra,1.5,f\rb,2.,M\r",
        ],
        ids=["semicolons, decimal commas", "tabs", "bars", "quoted, CRLF", "spaces", "CR"],
    )
    def test_however_it_is_separated(self, saved, text):
        table = read_table(saved(text))
        assert table.ids == ("a", "b")
        same(table.columns["crp"], [1.5, 2])
        same(table.columns["sex"], ["f", "M"])

    @pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "cp1252"])
    def test_however_it_is_encoded(self, saved, encoding):
        table = read_table(saved("id,Größe\nä,1\n".encode(encoding)))
        assert table.ids == ("ä",)
        assert list(table.columns) == ["Größe"]

    def test_packed_with_gzip(self, saved):
        table = read_table(saved(gzip.compress(b"id,crp\n7,1\n"), "blood.csv.gz"))
        assert table.ids == ("7",)

    def test_the_identifier_is_called_so_or_comes_first(self, saved):
        assert read_table(saved("crp,ID\n5,a\n")).ids == ("a",)
        assert read_table(saved("patient,crp\na,5\n")).ids == ("a",)
        assert read_table(saved(",crp\n007,5\n")).ids == ("007",)

    def test_identifiers_stay_as_they_are_written(self, saved):
        assert read_table(saved("id,crp\n007,5\n1e3,6\nNA,7\n")).ids == ("007", "1e3", "NA")

    def test_a_stray_word_among_numbers_is_missing_and_told(self, saved):
        rows = "".join(f"{k},{k}\n" for k in range(19))
        table = read_table(saved(f"id,crp\n{rows}x,<0.1\n"))
        assert np.isnan(table.columns["crp"][-1])
        assert np.isfinite(table.columns["crp"][:-1]).all()
        assert table.notes == ("1 values of crp in blood.csv are no numbers and count as missing.",)

    def test_labels_stay_words(self, saved):
        table = read_table(saved("id,y\na,01\nb,-\nc,NA\n"), words=True)
        same(table.columns["y"], ["01", "-", None])

    def test_labels_that_are_numbers_are_spelled_with_a_point(self, saved):
        """As columns of values read them; an infinite one is none in both."""
        text = "id;y\na;0,5\nb;inf\nc;1e999\nd;-\ne;+2\n"
        same(read_table(saved(text), words=True).columns["y"], ["0.5", None, None, "-", "+2"])
        same(read_table(saved(text)).columns["y"], [0.5, np.nan, np.nan, np.nan, 2])
        rows = "id,y\na,inf\nb,sup\n"
        same(read_table(saved(rows), words=True).columns["y"], ["inf", "sup"])  # words here

    @pytest.mark.parametrize("words", [False, True])
    @pytest.mark.parametrize(
        ("text", "example"),
        [
            ('id,a\nx,"1,200"\ny,950\n', "1,200"),
            ('id,a\nx,"1,200"\n' + "".join(f"{k},{k}\n" for k in range(99)), "1,200"),
            ("id;a\nx;1.200\ny;0,5\n", "1.200"),
            ("id;a;b\nx;1.200;0,5\ny;950;2\n", "1.200"),
            ("id;a;b\nx;-1.234.567;,25\ny;950;2\n", "-1.234.567"),
            ("id;a;b\nx;1,200;0.5\ny;950;2\n", "1,200"),
        ],
    )
    def test_no_thousands_are_taken_for_decimals(self, saved, text, example, words):
        """What other cells of the file have before their decimals tells which they are."""
        with pytest.raises(TableError, match=f"^The numbers of a in .* as '{re.escape(example)}'"):
            read_table(saved(text), words=words)

    def test_three_decimals_are_none_where_nothing_tells_of_thousands(self, saved):
        table = read_table(saved("id;a;b\nx;1,200;0,5\ny;0,125;7\n"))
        same(table.columns["a"], [1.2, 0.125])
        same(read_table(saved("id;a\nx;1.200\ny;0.5\n")).columns["a"], [1.2, 0.5])
        same(read_table(saved("id;a\n1,5;1.200\n")).columns["a"], [1.2])  # an identifier

    def test_only_labels_that_are_to_be_predicted_have_to_be_readable(self, saved):
        text = 'id,y,cost\na,0,"1,200"\nb,1,950\n'
        table = read_table(saved(text), words=True, target="y")
        same(table.columns["cost"], ["1,200", "950"])

    def test_infinite_numbers_are_missing(self, saved):
        table = read_table(saved("id,a\nw,1e999\nx,inf\ny,-Infinity\nz,2\n"))
        same(table.columns["a"], [np.nan, np.nan, np.nan, 2])

    @pytest.mark.parametrize(
        "number",
        ['"2,5"', '"1,234.5"', "1.234.567", "1'234", "1 234", "1\u202f234", "\u22125", "5 %", "5%"],
    )
    def test_numbers_that_are_written_otherwise_do_not_become_words(self, saved, number):
        with pytest.raises(TableError, match=r"^The numbers of a in blood\.csv are written as "):
            read_table(saved(f"id,a\nx,{number}\ny,7\nz,\n"))

    @pytest.mark.parametrize(
        "word", ["+", "2024-01-31", "31.01.2024", "12:30", "II", "1-2", "0x1F", "1.2.3", "5 mg"]
    )
    def test_words_of_digits_stay_words(self, saved, word):
        same(read_table(saved(f"id,a\nx,{word}\ny,{word}\n")).columns["a"], [word, word])

    def test_excel_s_line_that_names_the_delimiter(self, saved):
        table = read_table(saved("\ufeffsep=;\r\nid;a\r\nx;1,5\r\n".encode()))
        same(table.columns["a"], [1.5])

    def test_a_column_without_a_name_is_left_out(self, saved):
        assert list(read_table(saved("id,a,\nx,1,\n")).columns) == ["a"]

    @pytest.mark.parametrize(
        ("text", "sentence"),
        [
            ("", "blood.csv is empty"),
            ("id,a\n", "blood.csv names its columns but has no row"),
            ("id\n1\n", "blood.csv has only one column"),
            ("id,a,b\n1,2,3\n2,3\n", "Line 3 of blood.csv has 2 values, .* names 3 columns"),
            ("id,a,a\n1,2,3\n", "blood.csv has two columns called 'a'"),
            ("id,a\n1,2\n1,3\n", "blood.csv has more than one row of '1'"),
            ("id,a\n,3\n", "Row 1 of blood.csv has no identifier"),
            (b"id,a\n1,\x00\x00\n", "blood.csv is no text"),
            (b"\x1f\x8b\x08\x00damaged", "blood.csv is a damaged gzip file|ends early"),
            (gzip.compress(b"id,a\n" * 100)[:-9], "blood.csv ends early"),
        ],
    )
    def test_what_cannot_be_read_is_one_sentence(self, saved, text, sentence):
        with pytest.raises(TableError, match=sentence) as caught:
            read_table(saved(text))
        assert "\n" not in str(caught.value)

    def test_a_missing_file_is_one_sentence(self, tmp_path):
        with pytest.raises(TableError, match="There is no file"):
            read_table(tmp_path / "blood.csv")

    def test_a_bomb_is_not_unpacked(self, saved, monkeypatch):
        monkeypatch.setattr(files, "LARGEST_BYTES", 1000)
        with pytest.raises(TableError, match="too large"):
            read_table(saved(gzip.compress(b"id,a\n" + b"1" * 10**6), "blood.csv.gz"))

    def test_too_many_cells_are_refused(self, saved, monkeypatch):
        monkeypatch.setattr(files, "MOST_CELLS", 3)
        with pytest.raises(TableError, match="too large"):
            read_table(saved("id,a\n1,2\n2,3\n3,4\n4,5\n"))


class TestParquet:
    def save(self, path, columns):
        parquet.write_table(pa.table(columns), path)
        return path

    def test_columns_of_any_type(self, tmp_path):
        path = self.save(
            tmp_path / "blood.parquet",
            {
                "id": pa.array([7, 8]),
                "whole": pa.array([1, None]),
                "single": pa.array([0.5, float("nan")], pa.float32()),
                "sex": pa.array(["f", "M"]).dictionary_encode(),
                "smokes": pa.array([True, None]),
                "day": pa.array([0, 1], pa.date32()),
                "list": pa.array([[1], [2]]),
            },
        )
        table = read_table(path)
        assert table.ids == ("7", "8")
        same(table.columns["whole"], [1, np.nan])
        same(table.columns["single"], [0.5, np.nan])
        same(table.columns["sex"], ["f", "M"])
        same(table.columns["smokes"], ["true", None])
        same(table.columns["day"], [None, None])
        same(table.columns["list"], [None, None])

    def test_labels_that_are_floats_read_as_whole_numbers(self, tmp_path):
        path = self.save(tmp_path / "labels.parquet", {"id": ["a", "b"], "y": [7.0, 0.5]})
        same(read_table(path, words=True).columns["y"], ["7", "0.5"])

    def test_the_index_of_a_frame_is_the_identifier(self, tmp_path):
        columns = {"a": [1.0, 2.0], "__index_level_0__": ["x", "y"]}
        assert read_table(self.save(tmp_path / "blood.parquet", columns)).ids == ("x", "y")

    def test_a_damaged_file_is_one_sentence(self, saved):
        with pytest.raises(TableError, match="is no Parquet file"):
            read_table(saved("PAR1 and nothing else", "blood.parquet"))

    def test_what_it_claims_is_bounded(self, tmp_path, monkeypatch):
        path = self.save(tmp_path / "blood.parquet", {"id": ["a"] * 9, "x": [1.0] * 9})
        monkeypatch.setattr(files, "MOST_CELLS", 10)
        with pytest.raises(TableError, match="too large"):
            read_table(path)


@pytest.mark.parametrize(
    ("name", "modality"),
    [
        ("pixels.csv.gz", "pixels"),
        ("RNA v2.PARQUET", "RNA v2"),
        ("a.b.tsv", "a.b"),
        ("README.md", ""),
        (".csv", ""),
        (".hidden.csv", ""),
        ("~lock.csv", ""),
    ],
)
def test_the_name_of_a_file_is_that_of_its_modality(name, modality):
    assert modality_of(name) == modality
