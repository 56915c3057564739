"""Every line of TASKS has its three folders, and what everybody asks of them."""

from __future__ import annotations

from pathlib import Path

import pytest

from mckd.studio.tasks import Tab, tab_of
from mckd.tasks import TASKS, About, about
from train.commands import commands_of

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

    def test_the_app_s_half(self, key: str) -> None:
        assert isinstance(tab_of(key), Tab)
        assert (ROOT / "mckd" / "studio" / "tasks" / key / "service.py").is_file()


def test_a_task_that_does_not_exist_is_refused_with_the_nearest() -> None:
    with pytest.raises(ValueError, match="Did you mean 'digits'"):
        about("digit")
    with pytest.raises(ValueError, match="Known: digits, tumour"):
        about("x")
