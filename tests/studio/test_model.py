"""A bundled model in the background: ready, or a sentence why not."""

from __future__ import annotations

import pytest

from mckd.studio.services.model import Model, model_line


def broken() -> str:
    raise ValueError("There is no checkpoint x.safetensors.")


def test_it_is_there_once_loaded() -> None:
    model = Model("toy", lambda: "a model", str)
    assert (model.status, model.settled) == ("loading", False)
    model.load()
    model.wait()
    assert (model.status, model.loaded) == ("ready", "a model")


def test_one_that_cannot_be_loaded_says_why_and_keeps_nobody_waiting(
    caplog: pytest.LogCaptureFixture,
) -> None:
    model = Model("toy", broken, lambda error: f"{error} Make one.")
    model.load()
    model.wait()
    assert model.status == "unavailable"
    assert model.reason == "There is no checkpoint x.safetensors. Make one."
    assert "The toy model could not be loaded" in caplog.text


@pytest.mark.parametrize(
    ("data", "line"),
    [
        ({"name": "two stubs."}, "Trained on two stubs."),
        ("2 toys", "Trained on 2 toys."),
        (None, "The checkpoint does not name its data."),
    ],
)
def test_the_data_is_named(data: object, line: str) -> None:
    assert model_line({"data": data}) == line
