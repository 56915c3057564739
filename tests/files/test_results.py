"""Folders of results: one case each, whole or not there, whatever dies in between."""

from __future__ import annotations

import csv
import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from mckd.files.results import DONE, FIGURES, FILES, INDEX, OccupiedError, Results


def filled(results: Results, case: str, source: str, text: str, replace: bool = False) -> str:
    name = results.place(case, source, replace)
    results.put(name, {"figures.csv": f"case,ml\r\ncase,{text}\r\n".encode()}, replace)
    results.tell(case, source, DONE)
    return name


def text_in(folder: Path) -> str:
    return (folder / "figures.csv").read_text().split(",")[-1].strip()


def test_a_case_s_folder_is_not_written_twice(tmp_path: Path) -> None:
    results = Results(tmp_path)
    assert filled(results, "P1/week-000", "a", "1") == "P1/week-000"
    with pytest.raises(OccupiedError, match="--replace"):
        filled(results, "P1/week-000", "a", "2")
    assert text_in(tmp_path / "P1/week-000") == "1"
    assert filled(results, "P1/week-000", "a", "2", replace=True) == "P1/week-000"
    assert text_in(tmp_path / "P1/week-000") == "2"


def test_no_case_lies_within_or_around_another(tmp_path: Path) -> None:
    results = Results(tmp_path)
    names = [filled(results, c, c, "1") for c in ("P1", "P1/week", "P2/week", "P2", "p1")]
    assert names[0] == "P1"
    folders = [Path(name.lower()) for name in names]
    for one in folders:
        assert sum(other == one or one in other.parents for other in folders) == 1


def test_what_nobody_listed_is_never_touched(tmp_path: Path) -> None:
    (tmp_path / "anna").mkdir()
    (tmp_path / "anna" / "mine.txt").write_text("mine")
    for replace in (False, True):
        with pytest.raises(OccupiedError, match="Give another --out"):
            Results(tmp_path).place("anna", "a", replace)
    assert (tmp_path / "anna" / "mine.txt").read_text() == "mine"


@pytest.mark.parametrize("table", [INDEX, FILES, FIGURES])
def test_a_table_of_something_else_is_never_written_over(tmp_path: Path, table: str) -> None:
    (tmp_path / table).write_text("name,age\nanna,3\n")
    with pytest.raises(OccupiedError, match=rf"{table} there .* Give another --out"):
        Results(tmp_path)
    assert (tmp_path / table).read_text() == "name,age\nanna,3\n"


def test_an_error_while_writing_leaves_the_old_results(tmp_path: Path, monkeypatch) -> None:
    results = Results(tmp_path)
    filled(results, "anna", "a", "1")

    def full(path: Path, data: bytes) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr("mckd.files.results.write_atomically", full)
        with pytest.raises(OSError, match="No space"):
            results.put("anna", {"figures.csv": b"2"}, replace=True)
    assert text_in(tmp_path / "anna") == "1"
    assert [path.name for path in tmp_path.glob(".part-*")] == []


def test_what_a_killed_run_left_is_cleared_and_what_it_put_aside_comes_back(tmp_path: Path) -> None:
    results = Results(tmp_path)
    filled(results, "anna", "a", "1")
    code = (
        "import os, sys; from pathlib import Path; from mckd.files.results import Results\n"
        "real = Path.rename\n"
        "def rename(self, to):\n"
        "    if self.name.startswith('.part-'): os.kill(os.getpid(), 9)\n"
        "    return real(self, to)\n"
        "Path.rename = rename\n"
        "Results(Path(sys.argv[1])).put('anna', {'figures.csv': b'2'}, True)"
    )
    root = Path(__file__).parents[2]
    done = subprocess.run([sys.executable, "-c", code, str(tmp_path)], cwd=root, check=False)
    assert done.returncode == -9
    assert not (tmp_path / "anna").exists()  # between the two renames
    assert len([*tmp_path.glob(".part-*")]) == 1
    again = Results(tmp_path)
    assert [*tmp_path.glob(".part-*")] == []
    with pytest.raises(OccupiedError, match="--replace"):
        again.place("anna", "a", False)
    assert text_in(tmp_path / "anna") == "1"


def test_a_living_run_s_unfinished_folder_stays(tmp_path: Path) -> None:
    results = Results(tmp_path)
    results.place("anna", "a", False)
    mine = tmp_path / f".part-{socket.gethostname()}-{os.getpid()}-00"
    mine.mkdir()
    Results(tmp_path)
    assert mine.is_dir()


def test_tables_name_cases_once_and_hold_no_formula(tmp_path: Path) -> None:
    results = Results(tmp_path)
    names = {filled(results, case, case, "5") for case in ("a/x", "b/x", "=cmd()")}
    results.gather_figures()
    results.list_files("run", [{"results": "a/x", "file": "=1+1.nii", "used_as": "t1", "why": ""}])
    rows = {}
    for table in ("index", "files", "figures"):
        with (tmp_path / f"{table}.csv").open(encoding="utf-8", newline="") as file:
            rows[table] = [*csv.DictReader(file)]
    assert sorted(row["case"] for row in rows["figures"]) == sorted(names)
    assert rows["files"][0]["results"] == "a/x"
    assert not any(c.startswith("=") for t in rows.values() for row in t for c in row.values())
