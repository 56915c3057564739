"""Fig. 1, 6 and 7: what a checkpoint finds in one sequence, beside the reference."""

import pytest

from mckd.tumour import read_case
from tests import small_heads, untrained
from train.__main__ import main
from train.tumour.figures import label_of


@pytest.fixture(scope="module")
def case(tmp_path_factory):
    return small_heads.save_case(tmp_path_factory.mktemp("cases") / "head")


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    path = tmp_path_factory.mktemp("models") / "noise.safetensors"
    untrained.save_tumour(path, system="mckd", settings={"method": {"alpha": 0.0}})
    return path


def draw(case, model, out, *more):
    words = ["figures", "--out", str(out), "--which", "1", "--cases", str(case)]
    return main([*words, "--models", str(model), *more])


def test_the_command_draws_a_case(case, model, tmp_path, capsys):
    assert draw(case, model, tmp_path) == 0
    assert {path.name for path in tmp_path.iterdir()} == {"fig1.pdf", "fig1.png"}
    assert capsys.readouterr().out.startswith("Fig. 1: fig1.pdf")


def test_the_other_sequences_are_not_looked_at(case, model, tmp_path):
    """A case of T1 alone gives the same picture."""
    alone = small_heads.save_case(tmp_path / case.name, words=("t1",))
    first, second = tmp_path / "first", tmp_path / "second"
    assert draw(case, model, first) == draw(alone, model, second) == 0
    assert read_case(alone).brain == read_case(case).brain
    assert (first / "fig1.png").read_bytes() == (second / "fig1.png").read_bytes()


@pytest.mark.parametrize(
    ("more", "said"),
    [
        (["--which", "6"], r"Fig. 6 shows case 2 of --cases"),
        (["--sequence", "t2"], r"has no t2. Name another case, or another --sequence"),
    ],
)
def test_what_cannot_be_drawn_is_said(model, tmp_path, capsys, more, said):
    alone = small_heads.save_case(tmp_path / "head", words=("t1",))
    assert draw(alone, model, tmp_path / "out", *more) == 2
    assert said in capsys.readouterr().err


def test_a_model_is_called_by_its_system():
    assert label_of({"system": "hemis", "settings": {"method": {}}}) == "U-HeMIS"
    assert label_of({"system": "mckd", "settings": {"method": {"alpha": 0.1}}}) == "MCKD"
    assert label_of({"system": "mckd", "settings": {"method": {"alpha": 0.0}}}) == "Baseline"
    assert label_of({}) == "MCKD"
