"""The form of the Training tab as a command, and the command of a run that is resumed."""

from __future__ import annotations

import math
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from mckd.studio.services import training as service
from mckd.studio.services.command import Choices, new_name, saved_words
from mckd.studio.services.training import Training
from mckd.tasks import abouts
from tests.studio.written import chosen, write_run


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A project root with nothing in it."""
    return tmp_path


def test_the_command_is_the_form_in_words(project: Path) -> None:
    command = Training(project).command(chosen(rate=0.05, seed=7, epochs=2), "some-run")
    assert command == (
        "python -m train digits --preset smoke --audio-rate 0.05 --seed 7 --epochs 2 "
        "--out runs/some-run"
    )


def test_nothing_missing_and_no_epochs_leave_their_flags_out(project: Path) -> None:
    command = Training(project).command(chosen(scarce="none", epochs=None), "some-run")
    assert command == "python -m train digits --preset smoke --seed 0 --out runs/some-run"


def test_a_task_whose_modalities_drop_by_themselves_has_no_rate(project: Path) -> None:
    command = Training(project).command(Choices(task="tumour", scarce="audio"), "some-run")
    assert command == "python -m train tumour --preset smoke --seed 0 --out runs/some-run"


def test_another_system_is_named_in_the_command(project: Path) -> None:
    command = Training(project).command(chosen(system="shaspec"), "some-run")
    assert command.startswith("python -m train digits --preset smoke --system shaspec --audio-rate")
    assert "--system" not in Training(project).command(chosen(), "some-run")


def test_the_data_folder_comes_from_the_start_of_the_app_only(project: Path) -> None:
    folder = project / "my data"
    command = Training(project, data=folder).command(chosen(data="given"), "some-run")
    assert "--data 'my data' " in command
    with pytest.raises(ValueError, match="No folder was named"):
        Training(project).command(chosen(data="given"), "some-run")


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"task": "tumour; rm -rf ."}, "no such task"),
        ({"task": ["digits"]}, "no such task"),
        ({"preset": "--help"}, "no such preset"),
        ({"preset": None}, "no such preset"),
        ({"scarce": "touch"}, "which modality"),
        ({"rate": 0.5}, "how much"),
        ({"rate": "0.05 --x"}, "how much"),
        ({"rate": math.nan}, "how much"),
        ({"seed": -1}, "whole number"),
        ({"seed": 2**31}, "whole number"),
        ({"seed": 1.5}, "whole number"),
        ({"seed": None}, "whole number"),
        ({"seed": "1"}, "whole number"),
        ({"seed": math.inf}, "whole number"),
        ({"seed": True}, "whole number"),
        ({"epochs": -3}, "whole number"),
        ({"epochs": 10**9}, "whole number"),
        ({"data": "/etc"}, "data sources"),
        ({"system": "lower-bound"}, "systems in the list"),
        ({"system": "mmformer"}, "systems in the list"),
        ({"system": ["mckd"]}, "systems in the list"),
    ],
)
def test_a_choice_that_is_not_in_the_form_is_refused(
    project: Path, changed: dict[str, Any], said: str
) -> None:
    training = Training(project)
    with pytest.raises(ValueError, match=said):
        training.start(chosen(**changed))
    assert not (project / "runs").exists()


def test_generated_names_say_what_and_when() -> None:
    name = new_name(chosen(preset="paper"), datetime(2026, 1, 31, 14, 25, 0))
    assert name == "digits-paper-20260131-142500"


def test_no_sentence_of_the_form_names_a_flag(project: Path) -> None:
    words = [service.SHARED]
    for task in abouts():
        words += [task.label, task.data, *(one.label for one in task.series.values())]
        words += [choice.label + choice.note for choice in (*task.presets, *task.scarce)]
    for choices in (chosen(data="given"), chosen(seed=-1), chosen(epochs=-1), chosen(rate=7)):
        with pytest.raises(ValueError, match=r".+") as problem:
            Training(project).command(choices)
        words.append(str(problem.value))
    assert not [sentence for sentence in words if "--" in sentence]


def saved_command(project: Path, command: str) -> list[str]:
    run = write_run(project, state="stopped")
    config = run.config() | {"command": command}
    run.write_config(config)
    return saved_words(run.config(), "runs/one")


def test_resume_repeats_the_saved_command(project: Path) -> None:
    words = saved_command(
        project, "python -m train digits --preset=paper --bf16 --resume --out elsewhere --seed 3"
    )
    assert words == [
        *("-m", "train", "digits", "--preset", "paper", "--bf16", "--seed", "3"),
        *("--out", "runs/one"),
    ]


@pytest.mark.parametrize(
    "command",
    [
        "",
        "python -c 'import os'",
        "python -m http.server",
        "python -m train other --out x",
        "python -m train digits; reboot",
        "python -m train digits --preset paper && reboot",
        "python -m train digits 'unclosed",
        "python -m train digits --Preset paper",
    ],
)
def test_a_damaged_saved_command_is_not_run(project: Path, command: str) -> None:
    with pytest.raises(ValueError, match=r"Start (anew|a new run)"):
        saved_command(project, command)
