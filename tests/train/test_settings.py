import argparse

import pytest

from train.__main__ import main
from train.digits.settings import PRESETS, DigitSettings
from train.settings import SettingsError, TrainSettings, add_flags, override
from train.tumour.settings import TumourSettings


def test_flags_come_from_the_fields_nested_ones_included():
    parser = argparse.ArgumentParser()
    add_flags(parser, DigitSettings)
    given = parser.parse_args(["--audio-rate", "0.1", "--alpha", "0.3", "--no-detach-teacher"])
    settings = override(DigitSettings(), vars(given))
    assert (settings.audio_rate, settings.method.alpha) == (0.1, 0.3)
    assert settings.method.detach_teacher is False
    assert settings.epochs == DigitSettings().epochs


def test_an_unknown_setting_names_the_nearest():
    with pytest.raises(SettingsError, match="Did you mean 'audio_rate'"):
        override(DigitSettings(), {"audio_rat": 0.1})


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"optimizer": "adm"}, "adam, adamw, sgd"),
        ({"epochs": 0}, "--epochs must be at least 1"),
        ({"lr": 0.0}, "--lr must be above 0"),
        ({"seed": -1}, "--seed must be"),
        ({"audio_rate": 10.0}, r"0\.10 is 10 %"),
        ({"audio_rate": 0.1, "visual_rate": 0.1}, "Only one of"),
        ({"p": 3}, "p must be one of"),
    ],
)
def test_impossible_settings_say_what_is_possible(change, sentence):
    with pytest.raises(SettingsError, match=sentence):
        override(DigitSettings(), change)


@pytest.mark.parametrize("preset", PRESETS.values(), ids=PRESETS)
def test_presets_are_valid_and_say_what_they_cost(preset):
    assert isinstance(preset(), TrainSettings)
    assert preset.__doc__


def test_bounds_take_the_method_out():
    bound = override(DigitSettings(), {"system": "upper-bound"})
    with pytest.raises(SettingsError, match="no setting 'alpha'"):
        override(bound, {"alpha": 0.1})


def test_a_system_that_does_not_fit_the_task_is_refused_in_words(tmp_path, capsys):
    sentence = "U-HeMIS needs features that are maps; those of this task are vectors."
    with pytest.raises(SettingsError, match=sentence):
        override(DigitSettings(), {"system": "hemis"})
    with pytest.raises(SystemExit):
        main(["digits", "--system", "hemis", "--out", str(tmp_path / "run")])
    assert sentence in capsys.readouterr().err
    assert not (tmp_path / "run").exists()
    assert override(TumourSettings(), {"system": "hemis"}).system == "hemis"


def test_a_system_brings_its_own_options():
    settings = override(DigitSettings(), {"system": "shaspec", "domain": 0.5, "lr": 1e-4})
    assert (settings.method.domain, settings.lr) == (0.5, 1e-4)
    assert override(settings, {"domain": 0.6}).method.domain == 0.6
    with pytest.raises(SettingsError, match="no setting 'alpha'"):
        override(settings, {"alpha": 0.1})
    with pytest.raises(SettingsError, match="Did you mean 'shaspec'"):
        override(settings, {"system": "shapespec"})
