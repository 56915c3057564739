"""python -m mckd predict over many cases: several at a time, shares of them, and going on."""

from __future__ import annotations

import pytest
import torch

from mckd.__main__ import main
from mckd.files.checkpoint import save_checkpoint
from mckd.predict import run
from mckd.tumour import SEQUENCES
from mckd.tumour.network import DESIGNS, TumourNetwork
from tests import small_heads
from tests.predict.deadly import with_a_deadly_one
from tests.predict.results import contents, table


@pytest.fixture
def cases(tmp_path):
    """Five small cases of one sequence."""
    for name in "abcde":
        small_heads.save_case(tmp_path / "cases" / name, words=("t2",), reference=False)
    return tmp_path / "cases"


def done(out):
    return {path.name for path in out.iterdir() if path.is_dir()}


def test_shares_are_all_cases_and_no_case_twice(predict, cases, capsys) -> None:
    seen: list[str] = []
    for share in ("1/2", "2/2"):
        code, out = predict(cases, "--shard", share)
        assert code == 0
        seen += [line.partition(":")[0] for line in capsys.readouterr().out.splitlines()]
    assert sorted(seen) == [*"abcde"]
    assert done(out) == {*"abcde"}
    assert {row["case"] for row in table(out / "figures.csv")} == {*"abcde"}
    assert {row["results"] for row in table(out / "files.csv")} == {*"abcde"}


def test_a_run_that_was_stopped_goes_on(predict, cases, capsys) -> None:
    predict(cases, "--shard", "1/3")  # a and d, as if it had been stopped then
    before = contents(cases.parent / "out" / "a")
    capsys.readouterr()
    code, out = predict(cases, "--resume")
    said = capsys.readouterr()
    assert code == 0
    assert [line.partition(":")[0] for line in said.out.splitlines()] == [*"bce"]
    assert "5 of 5 cases" in said.err
    assert "2 of them were done before" in said.err
    assert contents(out / "a") == before
    assert {row["case"] for row in table(out / "figures.csv")} == {*"abcde"}


def test_what_failed_is_tried_again(predict, cases, capsys) -> None:
    good = (cases / "b" / "b_t2.nii.gz").read_bytes()
    (cases / "b" / "b_t2.nii.gz").write_bytes(b"no NIfTI")
    assert predict(cases)[0] == 1
    assert predict(cases, "--resume")[0] == 1
    (cases / "b" / "b_t2.nii.gz").write_bytes(good)
    capsys.readouterr()
    code, out = predict(cases, "--resume")
    assert code == 0
    assert capsys.readouterr().out.startswith("b: ET ")
    assert done(out) == {*"abcde"}


@pytest.mark.parametrize("words", ["0/2", "3/2", "2", "a/b", "1/0"])
def test_a_share_that_is_none(words, capsys) -> None:
    with pytest.raises(SystemExit) as stopped:
        main(["predict", "x", "--out", "y", "--shard", words])
    assert stopped.value.code == 2
    assert "write K/N" in capsys.readouterr().err


@pytest.fixture
def small(tmp_path) -> str:
    """A checkpoint that every process knows, of random weights."""
    torch.manual_seed(1)
    network = TumourNetwork(DESIGNS["smoke"])
    tensors = {f"network/{name}": tensor for name, tensor in network.state_dict().items()}
    header = {"network": "smoke", "modalities": list(SEQUENCES), "normalisation": "softmax"}
    path = tmp_path / "small.safetensors"
    save_checkpoint(path, {**tensors, "iwv": torch.zeros(4)}, header)
    return str(path)


def test_several_at_a_time_find_what_one_does(cases, small, tmp_path, capsys) -> None:
    (cases / "b" / "b_t2.nii.gz").write_bytes(b"no NIfTI")
    options = [str(cases), "--checkpoint", small, "--threads", "1", "--anyway"]
    assert main(["predict", *options, "--out", str(tmp_path / "one")]) == 1
    alone = capsys.readouterr()
    assert main(["predict", *options, "--out", str(tmp_path / "two"), "--jobs", "2"]) == 1
    together = capsys.readouterr()
    assert sorted(together.out.splitlines()) == sorted(alone.out.splitlines())
    assert "b: b_t2.nii.gz is not a NIfTI file" in together.err
    for name in "acde":
        assert contents(tmp_path / "two" / name) == contents(tmp_path / "one" / name)
    assert table(tmp_path / "two" / "index.csv") == table(tmp_path / "one" / "index.csv")
    assert table(tmp_path / "two" / "figures.csv") == table(tmp_path / "one" / "figures.csv")


def test_a_process_that_dies_costs_a_sentence(cases, small, tmp_path, monkeypatch, capsys) -> None:
    """As where memory ran out: the others are done, or can be gone on with."""
    options = ["predict", str(cases), "--checkpoint", small, "--anyway"]
    options += ["--out", str(tmp_path / "out")]
    with monkeypatch.context() as patched:
        patched.setattr(run, "works_of", with_a_deadly_one)
        assert main([*options, "--jobs", "2"]) == 1
    said = capsys.readouterr()
    assert "b: not done: a process ended" in said.err
    assert "Traceback" not in said.err
    assert main([*options, "--resume"]) == 0
    assert done(tmp_path / "out") == {*"abcde"}
