"""Runs that are disturbed: what they end in is what they would have ended in, or one sentence."""

import json
import os
import resource
import shutil
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from mckd.files.checkpoint import load_checkpoint
from mckd.files.manifest import MANIFEST
from mckd.files.runs import MODEL, RunFolder
from tests.train.runs import ROOT, assert_same_weights, command, run_here, stable, wait_for
from tests.train.tumour.test_task import write_case
from train.__main__ import main

OFTEN = os.environ | {"MCKD_CHECKPOINT_SECONDS": "0.05"}


EPOCHS = 8  # long enough that a run is not at its end before it is disturbed four times


def alone(folder, *more):
    """A trainer, in a list."""
    words = command(folder, *more, epochs=EPOCHS)
    out = {"stdout": subprocess.DEVNULL, "stderr": subprocess.PIPE, "text": True}
    return [subprocess.Popen(words, cwd=ROOT, env=OFTEN, **out)]


def two(folder, *more):
    """Two trainers of one run over gloo, as torchrun would start them."""
    with socket.socket() as place:
        place.bind(("127.0.0.1", 0))
        port = place.getsockname()[1]
    where = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port), "WORLD_SIZE": "2"}
    return [
        subprocess.Popen(
            command(folder, *more, epochs=EPOCHS),
            cwd=ROOT,
            env=OFTEN | where | {"RANK": str(rank), "LOCAL_RANK": str(rank)},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        )
        for rank in range(2)
    ]


def end(trainers):
    """Exit status and what each said, once all have ended."""
    said = [trainer.communicate()[1] for trainer in trainers]
    return [trainer.returncode for trainer in trainers], said


def finish(trainers):
    """All end well. What PyTorch says of a slow computer in passing (a meeting that takes two
    attempts) is no complaint of ours."""
    codes, said = end(trainers)
    assert codes == [0] * len(trainers), said
    assert not any(word in text for word in ("Error: ", "Traceback") for text in said), said


@pytest.fixture(scope="module")
def undisturbed_alone(tmp_path_factory):
    """One process from start to end."""
    folder = tmp_path_factory.mktemp("alone") / "whole"
    finish(alone(folder))
    return folder


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory):
    """Two processes from start to end."""
    folder = tmp_path_factory.mktemp("two") / "whole"
    finish(two(folder))
    return folder


def assert_same_run(a, b):
    assert_same_weights(a, b)
    rows, others = (RunFolder(folder).records()[0] for folder in (a, b))
    assert [stable(r) for r in rows] == [stable(r) for r in others]


def last_step(folder):
    rows, _ = RunFolder(folder).records()
    return rows[-1]["step"] if rows else 0


def under_way(start, folder, *more):
    """Trainers, once they are further than those before, with a checkpoint to go on from."""
    before = last_step(folder)
    trainers = start(folder, *more)
    wait_for(lambda: last_step(folder) > before + 2, trainers[0])
    wait_for(lambda: RunFolder(folder).resumable(), trainers[0])
    return trainers


def test_killed_at_any_moment_it_resumes_to_the_same_weights(undisturbed_alone, tmp_path):
    """kill -9 twice, stopped once, then to the end: weights and records as if nothing had been."""
    folder, resume = tmp_path / "broken", ()
    for how in (signal.SIGKILL, signal.SIGKILL, signal.SIGTERM):
        trainers = under_way(alone, folder, *resume)
        trainers[0].send_signal(how)
        assert end(trainers)[0] == [3 if how == signal.SIGTERM else -how]
        status = RunFolder(folder).status()
        assert status["state"] == "stopped"
        assert status["step"] < status["steps"]
        resume = ("--resume",)
    finish(alone(folder, "--resume"))
    assert_same_run(undisturbed_alone, folder)


@pytest.fixture(autouse=True)
def memory_as_it_is(monkeypatch):
    """A command would tell this process how to take memory."""
    monkeypatch.setattr("train.__main__.keep_memory", lambda: None)


@pytest.fixture
def refused(capsys, one_thread):
    """refused(words): the one sentence with which a command ends, here in this process."""

    def refused(words):
        assert main(words[3:]) == 2  # after python -m train
        (line,) = capsys.readouterr().err.strip().splitlines()
        assert line.startswith("Error: ")
        return line

    return refused


class TestTwoProcesses:
    def test_whichever_is_killed_or_stopped_they_resume_to_the_same_weights(
        self, undisturbed, tmp_path
    ):
        folder, resume = tmp_path / "broken", ()
        for killed in (0, 1):
            trainers = under_way(two, folder, *resume)
            trainers[killed].kill()
            codes, said = end(trainers)
            assert codes[killed] == -signal.SIGKILL
            assert codes[1 - killed] == 2
            (line,) = (x for x in said[1 - killed].splitlines() if x.startswith("Error: "))
            assert "Another process of this run ended" in line
            assert "Traceback" not in said[1 - killed]
            assert RunFolder(folder).status()["state"] == ("stopped" if killed == 0 else "failed")
            resume = ("--resume",)
        for asked in (0, 1):
            trainers = under_way(two, folder, *resume)
            trainers[asked].send_signal(signal.SIGTERM)
            assert end(trainers)[0] == [3, 3]
            assert RunFolder(folder).status()["state"] == "stopped"
        finish(two(folder, "--resume"))
        assert_same_run(undisturbed, folder)

    def test_another_number_of_processes_is_refused(self, undisturbed, refused):
        before = RunFolder(undisturbed).status()
        assert "was started with 2 processes" in refused(
            command(undisturbed, "--resume", epochs=EPOCHS)
        )
        assert RunFolder(undisturbed).status() == before


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """A run from start to end, with a checkpoint after every step."""
    folder = tmp_path_factory.mktemp("one") / "whole"
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr("train.loop.CHECKPOINT_SECONDS", 0.0)
        run_here(folder, epochs=1)
    yield folder
    torch.set_num_threads(threads)


@pytest.fixture
def broken_off(whole, tmp_path):
    """The same run without what it ended in; its two last checkpoints are there."""
    run = RunFolder(tmp_path / "one")
    shutil.copytree(whole, run.path)
    (run.checkpoints / MODEL).unlink()
    assert len(run.resumable()) == 2
    return run


def resume(run):
    return run_here(run.path, resume=True, epochs=1)


def truncate(path):
    os.truncate(path, path.stat().st_size // 2)


def flip(path):
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


class TestDamagedCheckpoints:
    @pytest.mark.parametrize(
        "damage",
        [truncate, flip, Path.unlink, lambda path: path.write_bytes(b"")],
        ids=["truncated", "one bit", "deleted", "empty"],
    )
    def test_the_one_before_is_taken_and_it_is_said(
        self, broken_off, whole, damage, capsys, monkeypatch
    ):
        newest, older = broken_off.resumable()
        damage(newest)
        said = []
        monkeypatch.setattr(
            RunFolder, "write_status", lambda run, **status: said.append(status["message"])
        )
        assert resume(broken_off) == "finished"
        step = int(older.stem.split("-")[1])
        note = capsys.readouterr().err
        assert newest.name in note
        assert f"at step {step}" in note
        assert any(newest.name in message for message in said)
        assert_same_run(whole, broken_off.path)

    @pytest.mark.parametrize(
        "manifest", [b"", None, b"\xff\xfe\x00", b"one-word\n", b"0  other\n"], ids=str
    )
    def test_a_manifest_that_confirms_nothing_is_an_error_and_no_new_start(
        self, broken_off, manifest
    ):
        path = broken_off.checkpoints / MANIFEST
        path.unlink() if manifest is None else path.write_bytes(manifest)
        records = broken_off.records()
        with pytest.raises(Exception, match=rf"No checkpoint of the run one .*{MANIFEST}"):
            resume(broken_off)
        assert broken_off.records() == records
        assert broken_off.status()["state"] == "failed"
        assert MANIFEST in broken_off.status()["message"]

    def test_what_is_listed_again_is_taken(self, broken_off, whole):
        (broken_off.checkpoints / MANIFEST).unlink()
        subprocess.run(
            f"sha256sum step-*.safetensors > {MANIFEST}",
            shell=True, check=True, cwd=broken_off.checkpoints,
        )  # fmt: skip
        assert resume(broken_off) == "finished"
        assert_same_run(whole, broken_off.path)

    def test_all_of_them_damaged_or_gone(self, broken_off):
        for path in broken_off.resumable():
            flip(path)
        for _ in range(2):  # failing once is not forgetting
            with pytest.raises(Exception, match="No checkpoint of the run one"):
                resume(broken_off)
        for path in broken_off.checkpoints.iterdir():
            path.unlink()
        with pytest.raises(Exception, match="is gone"):
            resume(broken_off)

    def test_a_run_without_one_begins_again_and_says_so(self, broken_off, whole, capsys):
        run = broken_off
        for path in run.checkpoints.iterdir():
            path.unlink()
        run.write_status(state="running", step=3, steps=9, eta_s=None, message="", checkpoint=0)
        assert resume(run) == "finished"
        assert "begins again at step 0" in capsys.readouterr().err
        assert_same_run(whole, run.path)

    def test_the_command_ends_with_one_sentence(self, broken_off, refused):
        (broken_off.checkpoints / MANIFEST).write_bytes(b"")
        config = json.loads((broken_off.path / "config.json").read_text())
        words = command(broken_off.path, "--resume", "--audio-rate", "0.5", "--ema", "0", epochs=1)
        assert config["processes"] == 1
        assert refused(words).startswith("Error: No checkpoint of the run one can be used")


def small_files():
    """Files of this process end at 64 kB, as on a disk that is full: checkpoints do not fit."""
    resource.setrlimit(resource.RLIMIT_FSIZE, (2**16, 2**16))


def powerless():
    """The superuser may write everywhere; from now on not where the rights forbid it."""
    if os.geteuid() == 0:
        import ctypes

        drop, override, search = 24, 1, 2  # PR_CAPBSET_DROP; CAP_DAC_OVERRIDE, _READ_SEARCH
        for right in (override, search):
            assert ctypes.CDLL(None).prctl(drop, right, 0, 0, 0) == 0


def one_sentence(words, preexec=None):
    done = subprocess.run(
        words, cwd=ROOT, env=OFTEN, capture_output=True, text=True, preexec_fn=preexec
    )
    assert done.returncode == 2
    (line,) = done.stderr.strip().splitlines()
    assert line.startswith("Error: ")
    return line


def half_written(folder):
    return [path.name for path in folder.rglob(".*") if path.is_file()]


class TestDisks:
    def test_no_room_for_a_checkpoint(self, tmp_path):
        run = RunFolder(tmp_path / "one")
        line = one_sentence(command(run.path), small_files)
        assert "larger than this system allows" in line
        assert run.status()["state"] == "failed"
        assert "larger than this system allows" in run.status()["message"]
        assert half_written(run.path) == []

    @pytest.mark.skipif(not Path("/dev/full").exists(), reason="only Linux has a full device")
    def test_a_full_disk_and_room_again(self, whole, tmp_path):
        run = RunFolder(tmp_path / "one")
        run.path.mkdir()
        (run.path / "records.jsonl").symlink_to("/dev/full")
        with pytest.raises(Exception, match=r"is full\. Free some space, then go on with --res"):
            run_here(run.path, epochs=1)
        assert run.status()["state"] == "failed"
        assert "is full" in run.status()["message"]
        (run.path / "records.jsonl").unlink()
        assert resume(run) == "finished"
        assert_same_weights(whole, run.path)

    def test_a_folder_that_is_read_only(self, tmp_path):
        closed = tmp_path / "closed"
        closed.mkdir(mode=0o555)
        assert "cannot be written to" in one_sentence(command(closed / "one"), powerless)
        assert "cannot be written to" in one_sentence(command(closed), powerless)

    def test_out_is_a_file(self, tmp_path, refused):
        (tmp_path / "one").write_text("mine")
        assert "should be" in refused(command(tmp_path / "one"))
        assert "should be" in refused(command(tmp_path / "one" / "below"))
        assert (tmp_path / "one").read_text() == "mine"

    def test_what_the_dead_left_half_written_is_swept(self, broken_off):
        left = [
            broken_off.path / ".records.jsonl.4123456",
            broken_off.path / f".status.json.{os.getppid()}",  # its number is another's now
            broken_off.checkpoints / ".step-00000003.safetensors.4123456",
        ]
        for path in left:
            path.write_bytes(b"half")
        resume(broken_off)
        assert half_written(broken_off.path) == []


def test_checkpoints_of_a_course_not_taken_are_deleted(broken_off):
    newest, older = broken_off.resumable()
    flip(newest)
    stray = broken_off.checkpoint_path(1)  # written, killed before it was listed
    stray.write_bytes(b"")
    resume(broken_off)
    assert not stray.exists()
    assert [load_checkpoint(path).header["step"] for path in broken_off.resumable()] == [
        int(path.stem.split("-")[1]) for path in (newest, older)
    ]


class TestStarts:
    def test_a_second_trainer_is_refused_and_the_first_goes_on(
        self, undisturbed_alone, tmp_path, refused
    ):
        folder = tmp_path / "one"
        (first,) = alone(folder)
        wait_for(lambda: RunFolder(folder).resumable(), first)
        first.send_signal(signal.SIGSTOP)  # it cannot end before the others have tried
        assert "already being trained by another process" in refused(
            command(folder, "--resume", epochs=EPOCHS)
        )
        assert "exists. Continue it with --resume" in refused(command(folder, epochs=EPOCHS))
        assert RunFolder(folder).status()["state"] == "running"
        first.send_signal(signal.SIGCONT)
        finish([first])
        assert_same_run(undisturbed_alone, folder)

    @pytest.mark.parametrize("task", ["digits", "tumour"])
    def test_no_data_is_one_sentence_that_says_where_to_get_some(self, tmp_path, task, capsys):
        (tmp_path / "empty").mkdir()
        for folder in ("empty", "absent"):
            words = [task, "--preset", "smoke", "--data", str(tmp_path / folder)]
            try:
                status = main([*words, "--out", str(tmp_path / "one")])
            except SystemExit as ended:  # told as the words are read
                status = ended.code
            assert status == 2
            assert "python -m train data" in capsys.readouterr().err

    def test_a_corrupt_case_is_named_and_nothing_is_trained(self, tmp_path, refused):
        for number in range(4):
            write_case(tmp_path / "cases", number)
        truncate(tmp_path / "cases" / "case_002" / "case_002_t1ce.nii.gz")
        words = ["tumour", "--preset", "smoke", "--data", str(tmp_path / "cases")]
        line = refused([sys.executable, "-m", "train", *words, "--out", str(tmp_path / "one")])
        assert "case_002_t1ce.nii.gz" in line
        assert RunFolder(tmp_path / "one").records() == ([], 0)

    def test_a_loss_that_is_no_number_is_one_sentence_and_can_be_resumed_from(
        self, tmp_path, refused
    ):
        """A learning rate at which the network is soon beyond all numbers."""
        line = refused(command(tmp_path / "one", "--lr", "1e38", "--optimizer", "sgd"))
        assert "loss is" in line
        status = RunFolder(tmp_path / "one").status()
        assert (status["state"], status["message"]) == ("failed", line.removeprefix("Error: "))
        assert half_written(tmp_path) == []
