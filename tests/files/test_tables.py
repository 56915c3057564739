"""Tables as text, as spreadsheets and Markdown read them."""

from __future__ import annotations

import csv
import io

from mckd.files.tables import as_csv, as_markdown


def test_columns_are_all_keys_in_the_order_of_their_first_row() -> None:
    text = as_csv([{"b": 1, "a": "x,y"}, {"c": None, "b": 2.5}])
    assert text == 'b,a,c\n1,"x,y",\n2.5,,\n'
    assert next(iter(csv.DictReader(io.StringIO(text)))) == {"b": "1", "a": "x,y", "c": ""}


def test_given_columns_are_kept_also_without_rows() -> None:
    assert as_csv([], ["a", "b"], ending="\r\n") == "a,b\r\n"


def test_markdown_has_a_rule_under_its_head() -> None:
    assert as_markdown(["a", "b"], [["1", "2"]]) == ["| a | b |", "|---|---|", "| 1 | 2 |"]
