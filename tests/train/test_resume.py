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
from tests.train.test_loop import (
    ROOT,
    assert_same_weights,
    command,
    run_here,
    stable,
    wait_for,
)
from tests.train.tumour.test_task import write_case

OFTEN = os.environ | {"MCKD_CHECKPOINT_SECONDS": "0.05"}


def processes(folder, *more, count=2):
    """`count` trainers of one run over gloo, as torchrun would start them."""
    with socket.socket() as place:
        place.bind(("127.0.0.1", 0))
        port = place.getsockname()[1]
    where = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port), "WORLD_SIZE": str(count)}
    return [
        subprocess.Popen(
            command(folder, *more),
            cwd=ROOT,
            env=OFTEN | where | {"RANK": str(rank), "LOCAL_RANK": str(rank)},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        )
        for rank in range(count)
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
def undisturbed(tmp_path_factory):
    """Two processes from start to end."""
    folder = tmp_path_factory.mktemp("two") / "whole"
    finish(processes(folder))
    return folder


def assert_same_run(a, b):
    assert_same_weights(a, b)
    rows, others = (RunFolder(folder).records()[0] for folder in (a, b))
    assert [stable(r) for r in rows] == [stable(r) for r in others]


def begin(folder, records=3):
    trainers = processes(folder)
    wait_for(lambda: len(RunFolder(folder).records()[0]) >= records, trainers[0])
    wait_for(lambda: RunFolder(folder).resumable(), trainers[0])
    return trainers


class TestTwoProcesses:
    @pytest.mark.parametrize("killed", [0, 1])
    def test_one_killed_and_resumed_they_end_in_the_same_weights(
        self, undisturbed, tmp_path, killed
    ):
        folder = tmp_path / "broken"
        trainers = begin(folder)
        trainers[killed].kill()
        codes, said = end(trainers)
        assert codes[killed] == -signal.SIGKILL
        assert codes[1 - killed] == 2
        (line,) = (x for x in said[1 - killed].splitlines() if x.startswith("Error: "))
        assert "Another process of this run ended" in line
        assert "Traceback" not in said[1 - killed]
        assert RunFolder(folder).status()["state"] == ("stopped" if killed == 0 else "failed")
        finish(processes(folder, "--resume"))
        assert_same_run(undisturbed, folder)

    @pytest.mark.parametrize("asked", [0, 1])
    def test_stopped_and_resumed_they_end_in_the_same_weights(self, undisturbed, tmp_path, asked):
        folder = tmp_path / "stopped"
        trainers = begin(folder)
        trainers[asked].send_signal(signal.SIGTERM)
        assert end(trainers)[0] == [3, 3]
        assert RunFolder(folder).status()["state"] == "stopped"
        finish(processes(folder, "--resume"))
        assert_same_run(undisturbed, folder)

    def test_another_number_of_processes_is_refused(self, undisturbed, tmp_path):
        before = RunFolder(undisturbed).status()
        done = subprocess.run(
            command(undisturbed, "--resume"), cwd=ROOT, capture_output=True, text=True
        )
        assert done.returncode == 2
        assert "was started with 2 processes" in done.stderr
        assert len(done.stderr.strip().splitlines()) == 1
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

    def test_the_command_ends_with_one_sentence(self, broken_off):
        (broken_off.checkpoints / MANIFEST).write_bytes(b"")
        config = json.loads((broken_off.path / "config.json").read_text())
        words = command(broken_off.path, "--resume", "--audio-rate", "0.5", "--ema", "0", epochs=1)
        done = subprocess.run(words, cwd=ROOT, capture_output=True, text=True)
        assert config["processes"] == 1
        assert done.returncode == 2
        assert done.stderr.startswith("Error: No checkpoint of the run one can be used")
        assert len(done.stderr.strip().splitlines()) == 1


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

    def test_out_is_a_file(self, tmp_path):
        (tmp_path / "one").write_text("mine")
        assert "should be" in one_sentence(command(tmp_path / "one"))
        assert "should be" in one_sentence(command(tmp_path / "one" / "below"))
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
    def test_a_second_trainer_is_refused_and_the_first_goes_on(self, tmp_path):
        subprocess.run(command(tmp_path / "whole"), cwd=ROOT, check=True, stdout=subprocess.DEVNULL)
        folder = tmp_path / "one"
        first = subprocess.Popen(command(folder), cwd=ROOT, env=OFTEN, stdout=subprocess.DEVNULL)
        wait_for(lambda: RunFolder(folder).resumable(), first)
        first.send_signal(signal.SIGSTOP)  # it cannot end before the others have tried
        assert "already being trained by another process" in one_sentence(
            command(folder, "--resume")
        )
        assert "exists. Continue it with --resume" in one_sentence(command(folder))
        assert RunFolder(folder).status()["state"] == "running"
        first.send_signal(signal.SIGCONT)
        assert first.wait() == 0
        assert_same_run(tmp_path / "whole", folder)

    @pytest.mark.parametrize("task", ["digits", "tumour"])
    def test_no_data_is_one_sentence_that_says_where_to_get_some(self, tmp_path, task):
        (tmp_path / "empty").mkdir()
        for folder in ("empty", "absent"):
            words = [task, "--preset", "smoke", "--data", str(tmp_path / folder)]
            done = subprocess.run(
                [sys.executable, "-m", "train", *words, "--out", str(tmp_path / "one")],
                cwd=ROOT, capture_output=True, text=True,
            )  # fmt: skip
            assert done.returncode == 2
            assert "python -m train data" in done.stderr
            assert "Traceback" not in done.stderr

    def test_a_corrupt_case_is_named_and_nothing_is_trained(self, tmp_path):
        for number in range(4):
            write_case(tmp_path / "cases", number)
        truncate(tmp_path / "cases" / "case_002" / "case_002_t1ce.nii.gz")
        words = ["tumour", "--preset", "smoke", "--data", str(tmp_path / "cases")]
        line = one_sentence([sys.executable, "-m", "train", *words, "--out", str(tmp_path / "one")])
        assert "case_002_t1ce.nii.gz" in line
        assert RunFolder(tmp_path / "one").records() == ([], 0)

    def test_a_loss_that_is_no_number_is_one_sentence_and_can_be_resumed_from(self, tmp_path):
        """A learning rate at which the network is soon beyond all numbers."""
        words = command(tmp_path / "one", "--lr", "1e38", "--optimizer", "sgd")
        line = one_sentence(words)
        assert "loss is" in line
        status = RunFolder(tmp_path / "one").status()
        assert (status["state"], status["message"]) == ("failed", line.removeprefix("Error: "))
        assert half_written(tmp_path) == []
