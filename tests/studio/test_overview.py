"""All runs in one table."""

from __future__ import annotations

from pathlib import Path

from mckd.studio.services.overview import COLUMNS, compared, table
from mckd.studio.services.training import Training
from tests.studio.written import row, write_run


def test_a_line_says_what_a_run_was_told_and_how_it_scored(tmp_path: Path) -> None:
    run = write_run(tmp_path)
    run.write_config(run.config() | {"config": {"seed": 3, "epochs": 20, "system": "smil"}})
    run.append({**row(4), "time_s": 65.0, "validation": {"both": 0.91234, "audio": 0.5}})
    run.append({"step": 5, "task_loss": 0.1})
    (line,) = compared(Training(tmp_path))
    assert [line[name] for name in COLUMNS] == [
        "one", "Digits", "smil", "smoke", "3", "20", "finished", "1 min",
        "both 0.9123, audio 0.5000",
    ]  # fmt: skip


def test_whatever_a_folder_holds_is_text(tmp_path: Path) -> None:
    run = write_run(tmp_path, "odd")
    run.write_config({"task": "<b>", "preset": ["<img src=x>"], "config": "no settings"})
    (run.path / "records.jsonl").write_text('{"step": 1, "validation": {"<i>": 1e999}}\nnull\n')
    (tmp_path / "runs" / "empty").mkdir()
    shown = table(compared(Training(tmp_path)))
    assert "<b>" not in shown
    assert "<img" not in shown
    assert "<i>" not in shown
    assert shown.count("<tr>") == 3
    assert table([]) == "<p>There is no run yet.</p>"
