"""Every line of TASKS has its three folders, and what everybody asks of them."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import gradio as gr
import pytest

from mckd.studio import page
from mckd.studio.services import Services
from mckd.studio.services.command import Choices, words_of
from mckd.studio.services.records import names_of
from mckd.studio.tasks import Api, Tab, tab_of
from mckd.systems import fitting
from mckd.tasks import TASKS, About, Choice, Series, about
from train.__main__ import parser
from train.commands import commands_of
from train.settings import TrainSettings

ROOT = Path(__file__).parents[1]


@pytest.mark.parametrize("key", TASKS)
class TestTasks:
    def test_about(self, key: str) -> None:
        known = about(key)
        assert isinstance(known, About)
        assert known.key == key
        assert bool(known.scarce) == bool(known.rates)
        assert (known.rate in known.rates) == bool(known.rates)

    def test_keys_are_given_once(self, key: str) -> None:
        known = about(key)
        assert len(known.series) == len(known.modalities) + len(known.subsets)
        for listed in (known.presets, known.scarce):
            assert len({choice.key for choice in listed}) == len(listed)

    def test_the_trainer_s_half_has_the_presets_of_the_form(self, key: str) -> None:
        commands = commands_of(key)
        assert {choice.key for choice in about(key).presets} <= set(commands.PRESETS)
        for make in commands.PRESETS.values():
            assert isinstance(make(), commands.SETTINGS)
        assert commands.SETTINGS.CHOICES["system"] == fitting(about(key).features)

    def test_the_app_s_half(self, key: str) -> None:
        assert isinstance(tab_of(key), Tab)
        assert (ROOT / "mckd" / "studio" / "tasks" / key / "service.py").is_file()


def test_a_task_that_does_not_exist_is_refused_with_the_nearest() -> None:
    with pytest.raises(ValueError, match="Did you mean 'digits'"):
        about("digit")
    with pytest.raises(ValueError, match=f"Known: {', '.join(TASKS)}"):
        about("x")


class Toys:
    """The service of a task that has no model to wait for."""

    status = "ready"

    def warm(self) -> None: ...

    def tend(self) -> None: ...


@dataclass(frozen=True)
class ToySettings(TrainSettings):
    """What the toys add.

    bricks: how many.
    """

    bricks: int = 3


def lay_out(service: Any) -> None:
    assert isinstance(service, Toys)
    with gr.Tab("Toys", id="toys"):
        gr.Markdown("bricks")


def count_bricks() -> int:
    """How many there are."""
    return 8


@pytest.fixture
def toys(monkeypatch: pytest.MonkeyPatch) -> None:
    """A task of eight modalities, one scarce: a line in TASKS, and modules by their names."""
    modalities = tuple(Series(f"toy_{k}", f"Toy {k}", ("#16222a", "#e8eef1")) for k in range(8))
    known = About(
        key="toys",
        name="Toys",
        label="Toys: eight of them",
        presets=(Choice("smoke", "Smoke test", "Some seconds."),),
        data="bricks",
        modalities=modalities,
        scarce=(Choice("toy_7", "Toy 7 is rare"),),
        rates=(0.5,),
        rate=0.5,
    )
    commands = {
        "SETTINGS": ToySettings,
        "PRESETS": {"smoke": ToySettings},
        "BENCHES": {},
        "FIGURES": {},
        **dict.fromkeys(
            (
                *("add_flags", "add_data_commands", "add_commands"),
                *("add_bench_flags", "add_figure_flags"),
            ),
            lambda _: None,
        ),
    }
    modules = {
        "toys.about": {"ABOUT": known},
        "train.toys.commands": commands,
        "mckd.studio.tasks.toys.service": {"open_service": lambda *_: Toys()},
        "mckd.studio.tasks.toys.tab": {"TAB": Tab(lay_out)},
        "mckd.studio.tasks.toys.api": {"API": Api(lambda toys: [count_bricks], lambda toys: [])},
    }
    monkeypatch.setitem(TASKS, "toys", "toys")
    for name, content in modules.items():
        monkeypatch.setitem(sys.modules, name, SimpleNamespace(**content))  # type: ignore[arg-type]


@pytest.mark.usefixtures("toys")
class TestAFurtherTask:
    def test_stands_in_the_page_by_itself(self, tmp_path: Path) -> None:
        built = page.build(Services.open(tmp_path, data=None, runs=None), by_name=True)
        assert "count_bricks" in page.functions(built).named
        tabs = [block.label for block in built.blocks.values() if isinstance(block, gr.Tab)]
        assert tabs.index("Digits") < tabs.index("Toys") < tabs.index("Training")
        assert "--mk-toys-toy_7: #e8eef1" in page.colours()

    def test_is_trained_by_the_form_and_the_command_line(self, tmp_path: Path) -> None:
        form = Choices("toys", "smoke", "toy_7", 0.5, system="shaspec")
        words = words_of(form, {})
        assert words[:4] == ["-m", "train", "toys", "--preset"]
        assert "--toy-7-rate" in words
        found = parser("shaspec").parse_args(["toys", "--preset", "smoke", "--out", str(tmp_path)])
        assert found.preset == "smoke"

    def test_is_drawn_by_its_names(self) -> None:
        names = names_of({"task": "toys"})
        assert names["toy_0"] == {"label": "Toy 0", "colour": "--mk-toys-toy_0"}
        assert len(names) == 8
