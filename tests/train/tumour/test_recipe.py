"""The bundled model's recipe: a whole small one from its command, and again."""

import csv
import json
from dataclasses import replace

from tests.train.tumour.test_table import here
from tests.train.tumour.test_task import write_case
from train.__main__ import main
from train.tumour import recipe
from train.tumour.settings import PRESETS


def test_every_real_case_is_scored_by_a_run_that_did_not_see_it(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr("train.tumour.task.TumourTask.steps_per_epoch", 1)
    monkeypatch.setattr("train.tumour.compare.work_off", here)
    monkeypatch.setattr(recipe, "CASES", 2)
    monkeypatch.setattr(recipe, "HEALTHY", 1)
    small = replace(PRESETS["smoke"](), epochs=1)
    for stage in ("tumour-synthetic", "tumour-real"):
        monkeypatch.setitem(PRESETS, stage, lambda: small)
    for number in range(3):
        write_case(tmp_path / "real", number)
    made = ["tumours/phantom_101_00001", "tumours/phantom_101_00002", "healthy/healthy_31_00001"]
    for number, name in enumerate(made, 7):
        write_case(tmp_path / "made", number)
        (tmp_path / "out/phantoms" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / f"made/case_{number:03}").rename(tmp_path / "out/phantoms" / name)
    words = ["recipe", "tumour", "--data", str(tmp_path / "real"), "--out", str(tmp_path / "out")]
    assert main(words) == 0
    with (tmp_path / "out/scores-real/cases.csv").open(encoding="utf-8") as file:
        scored = {(row["case"], row["checkpoint"], row["seen"]) for row in csv.DictReader(file)}
    assert sorted(case for case, _, _ in scored) == ["case_000", "case_001", "case_002"]
    runs = tmp_path / "out/real/runs"
    for case, checkpoint, seen in scored:
        fold = runs / checkpoint.split("/")[-3]
        used = json.loads((fold / "config.json").read_text())["provenance"]["cases"]
        assert case in used["test"]
        assert case not in used["train"] + used["validation"]
        assert seen == "False"
    bundled = json.loads((runs / "tumour-seed0/config.json").read_text())["provenance"]["cases"]
    assert {"case_000", "case_001", "case_002"} <= set(bundled["train"])
    models = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("model.safetensors")}
    assert len(models) == 5
    said = capsys.readouterr().out
    models_of_folds = {checkpoint for _, checkpoint, _ in scored}
    assert {*said.rpartition("--folds ")[2].split()} == models_of_folds
    assert main(words) == 0
    assert {path: path.stat().st_mtime_ns for path in models} == models
