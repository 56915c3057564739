import json
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from mckd.files.atomic import sweep, write_atomically
from mckd.files.checkpoint import save_checkpoint
from mckd.files.runs import RunError, RunFolder

ROOT = Path(__file__).parents[2]


@pytest.fixture
def run(tmp_path):
    return RunFolder(tmp_path / "one")


HOLD = """
import sys
from mckd.files.runs import RunFolder
with RunFolder(sys.argv[1]).hold():
    print("holding", flush=True)
    sys.stdin.read()
"""


@pytest.fixture
def holder(run):
    """Another process that holds the run's lock."""
    process = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(run.path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        cwd=ROOT,
    )
    assert process.stdout.readline().strip() == b"holding"
    yield process
    process.kill()
    process.communicate()


def test_the_lock_tells_life_and_refuses_a_second_trainer(run, holder):
    assert run.is_alive()
    with pytest.raises(RunError, match="already being trained"), run.hold():
        pass


def test_the_lock_is_free_again_after_the_block(run):
    with run.hold():
        assert run.is_alive()
    assert not run.is_alive()


def test_kill_9_frees_the_lock_and_is_reported(run, holder):
    run.write_status(state="running", step=3, steps=9, eta_s=5.0, message="")
    assert run.status()["state"] == "running"
    holder.kill()
    holder.wait()
    status = run.status()
    assert (status["state"], status["alive"], status["eta_s"]) == ("stopped", False, None)
    assert "Resume" in status["message"]


def test_records_in_pieces(run):
    run.path.mkdir()
    for step in range(3):
        run.append({"step": step})
    first, offset = run.records()
    run.append({"step": 3, "loss": float("nan")})
    second, end = run.records(offset)
    assert [r["step"] for r in first] == [0, 1, 2]
    assert second == [{"step": 3, "loss": None}]
    assert run.records(end) == ([], end)


def test_half_a_line_waits_for_its_end(run):
    run.path.mkdir()
    file = run.path / "records.jsonl"
    file.write_bytes(b'{"step": 1}\n{"st')
    rows, offset = run.records()
    assert rows == [{"step": 1}]
    file.write_bytes(b'{"step": 1}\n{"step": 2}\n')
    assert run.records(offset)[0] == [{"step": 2}]


@given(st.lists(st.integers(0, 99), min_size=1, max_size=12), st.data())
def test_any_split_of_the_file_gives_the_same_records(tmp_path_factory, steps, data):
    run = RunFolder(tmp_path_factory.mktemp("run"))
    whole = b"".join(json.dumps({"step": s}).encode() + b"\n" for s in steps)
    cut = data.draw(st.integers(0, len(whole)))
    file = run.path / "records.jsonl"
    file.write_bytes(whole[:cut])
    before, offset = run.records()
    file.write_bytes(whole)
    after, _ = run.records(offset)
    assert [r["step"] for r in before + after] == steps


def test_rubbish_lines_are_skipped(run):
    run.path.mkdir()
    (run.path / "records.jsonl").write_bytes(b'\x00\xff\n[1]\n{"step": 1}\nnull\n')
    assert run.records()[0] == [{"step": 1}]


def test_rewind_drops_what_comes_again(run):
    run.path.mkdir()
    for step in range(5):
        run.append({"step": step})
    offset = run.records()[1]
    run.rewind(2)
    assert [r["step"] for r in run.records()[0]] == [0, 1, 2]
    assert [r["step"] for r in run.records(offset)[0]] == [0, 1, 2]  # shorter: read anew


def test_newest_listed_checkpoint_is_the_one_to_resume(run):
    for step in (100, 2_000, 300):
        save_checkpoint(run.checkpoint_path(step), {"x": torch.zeros(1)}, {})
    run.checkpoint_path(9_000).write_bytes(b"killed before the manifest was written")
    assert run.resumable()[0] == run.checkpoint_path(2_000)
    run.keep_newest_checkpoints(1)
    assert not run.checkpoint_path(300).exists()
    assert run.resumable() == [run.checkpoint_path(2_000)]


def test_empty_and_missing_folders(run):
    assert run.config() == {}
    assert run.records() == ([], 0)
    assert run.status()["state"] == "new"
    assert run.resumable() == []
    run.path.mkdir()
    run.write_config({"task": "digits"})
    assert run.config() == {"task": "digits"}


def half_written(folder):
    return [path.name for path in folder.iterdir() if path.name.startswith(".")]


def test_an_attempt_that_fails_leaves_nothing(tmp_path):
    (tmp_path / "a").mkdir()  # a file cannot take the place of a folder
    with pytest.raises(OSError, match="a"):
        write_atomically(tmp_path / "a", b"new")
    assert half_written(tmp_path) == []


def test_what_the_living_write_is_not_swept(tmp_path, holder):
    """Several processes share a folder of prepared cases."""
    dead = subprocess.Popen([sys.executable, "-c", ""])
    dead.wait()
    for pid in (holder.pid, dead.pid):
        (tmp_path / f".a.npy.{pid}").write_bytes(b"half")
    (tmp_path / ".hidden").write_bytes(b"mine")
    sweep(tmp_path)
    assert sorted(half_written(tmp_path)) == [f".a.npy.{holder.pid}", ".hidden"]
    sweep(tmp_path, alone=True)
    assert half_written(tmp_path) == [".hidden"]
