"""The Training tab's handlers and layout, without a browser."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import gradio as gr
import pytest

from mckd.files.runs import RunFolder
from mckd.studio.services.training import Training
from mckd.studio.tabs import training as tab
from mckd.tasks import abouts


def laid_out(training: Training) -> dict[str, Any]:
    """The tab's components by elem_id."""
    with gr.Blocks() as page:
        tab.build(SimpleNamespace(training=training))
    return {block.elem_id: block for block in page.blocks.values() if block.elem_id}


def test_every_handler_is_hidden_from_the_api(tmp_path: Path) -> None:
    with gr.Blocks() as page:
        tab.build(SimpleNamespace(training=Training(tmp_path, closed="")))
    assert {fn.api_visibility for fn in page.fns.values()} == {"private"}


def test_the_form_is_open_at_home_and_closed_on_a_space(tmp_path: Path) -> None:
    names = ("training-preset", "training-scarce", "training-rate", "training-seed")
    at_home = laid_out(Training(tmp_path, closed=""))
    assert all(at_home[name].interactive for name in (*names, "training-start"))
    assert "training-closed" not in at_home
    on_space = laid_out(Training(tmp_path, closed="Training is off here."))
    assert not any(on_space[name].interactive for name in (*names, "training-start"))
    assert on_space["training-closed"].value == "Training is off here."


def test_the_given_folder_is_offered_by_name_only(tmp_path: Path) -> None:
    data = laid_out(Training(tmp_path, data=tmp_path / "secret" / "avmnist", closed=""))
    shown = str(data["training-data"].choices)
    assert "avmnist" in shown
    assert "secret" not in shown


def test_each_preset_has_a_sentence() -> None:
    for task in abouts():
        for preset in task.presets:
            assert preset.note.endswith(".")
            assert tab.explain_preset(task.key, preset.key).info == preset.note


def test_another_task_brings_its_own_choices(tmp_path: Path) -> None:
    presets, scarce, rate, data, systems, _ = tab.choose_task(
        Training(tmp_path, closed=""), "tumour"
    )
    assert "mmformer" in [key for _, key in systems.choices]
    assert "smil" not in [key for _, key in systems.choices]
    assert [key for _, key in presets.choices] == ["smoke", "studio", "compact", "paper"]
    assert not scarce.visible
    assert not rate.visible
    assert "synthetic cases" in data.choices[0][0]
    _, scarce, rate, _, systems, _ = tab.choose_task(Training(tmp_path, closed=""), "digits")
    assert "smil" in [key for _, key in systems.choices]
    assert scarce.visible
    assert rate.visible


def test_a_form_that_cannot_be_run_shows_why_in_place_of_the_command(tmp_path: Path) -> None:
    training = Training(tmp_path, closed="")
    form = ["digits", "smoke", "audio", 0.10, None, 0, "bundled"]
    assert tab.show_command(training, *form).startswith("# The seed must be a whole number")


def test_a_refused_start_warns_and_changes_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    said: list[str] = []
    monkeypatch.setattr(tab.gr, "Warning", lambda text, **_: said.append(text))
    training = Training(tmp_path, closed="")
    changes = tab.start_run(
        training, None, "digits", "no such preset", "audio", 0.1, 0, 0, "bundled"
    )
    assert "no such preset" in said[0]
    assert changes[1]["run"] is None
    assert list(tmp_path.iterdir()) == []


def test_facts_are_escaped() -> None:
    table = tab.facts_table([("<b>name</b>", "<img src=x onerror=alert(1)>")])
    assert "<img" not in table
    assert "<b>" not in table


def test_buttons_follow_the_state_of_the_run(tmp_path: Path) -> None:
    run = RunFolder(tmp_path / "runs" / "one")
    run.path.mkdir(parents=True)
    run.write_config({"command": "python -m train digits --out runs/one"})
    run.write_status(state="stopped", step=1, steps=2, eta_s=None, message="")
    training = Training(tmp_path, closed="")

    def interactive() -> list[bool]:
        return [button.interactive for button in tab.refresh(training, "one")[1:4]]

    assert interactive() == [True, False, True]  # start, stop, resume
    with run.hold():
        run.write_status(state="running", step=1, steps=2, eta_s=1.0, message="")
        assert interactive() == [True, True, False]


def test_a_few_runs_may_lie_over_another(tmp_path: Path) -> None:
    assert tab.lay_over("one", ["two", "three"])["over"] == ["two", "three"]
    assert len(tab.lay_over("one", ["other"] * 99)["over"]) == tab.MOST_OVER
    assert tab.lay_over("one", "two")["over"] == []  # a browser may send anything
    training = Training(tmp_path, runs=tmp_path, closed="")
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
    assert [value for _, value in tab.refresh(training, "one")[-1].choices] == ["two"]
    *_, others = tab.show_run(training, "two")
    assert ([value for _, value in others.choices], others.value) == (["one"], [])
