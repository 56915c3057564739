"""Whatever lies in one folder of runs/, that run alone suffers: generated rubbish of every kind."""

import json
import os
import shutil
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from mckd.files.runs import LARGEST_RECORDS, MOST_RECORDS, RunFolder
from mckd.studio.services.records import MAX_POINTS
from mckd.studio.services.training import Training
from tests.train.test_resume import powerless

NAMES = ("config.json", "status.json", "records.jsonl", "lock", "train.log", "checkpoints")
STATES = {"none", "gone", "unreadable", "starting", "running", "stopped", "failed", "finished"}
KNOWN = {
    "state": "finished", "step": 6, "steps": 6, "eta_s": 1.5, "message": "Test", "pid": 1,
    "task": "digits", "command": "python -m train digits --out runs/x", "config": {"seed": 0},
    "time_s": 1.0, "iwv": {"visual": 0.5}, "validation": {"visual": 0.9}, "checkpoint": 6,
}  # fmt: skip

numbers = st.one_of(
    st.integers(),
    st.floats(),
    st.integers(1, 5_000).map(lambda digits: 10**digits),
    st.sampled_from([2**53, -(2**63), 2**64, 1e308, float("nan"), float("-inf")]),
)
texts = st.one_of(st.text(max_size=20), st.just("\ud800"), st.integers(1, 2_000).map("x".__mul__))
leaves = st.one_of(st.none(), st.booleans(), numbers, texts)
values = st.recursive(
    leaves, lambda v: st.one_of(st.lists(v, max_size=4), st.dictionaries(texts, v, max_size=4))
)
objects = st.dictionaries(st.sampled_from(sorted(KNOWN)), values, max_size=6).map(KNOWN.__or__)


def as_json(value):
    """Like json.dumps, which makes no text of numbers with more than 4,300 digits."""
    if isinstance(value, dict):
        return "{" + ",".join(f"{json.dumps(k)}:{as_json(v)}" for k, v in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ",".join(map(as_json, value)) + "]"
    if isinstance(value, int) and abs(value) >= 10**4_000:
        return "9" * 5_000
    return json.dumps(value)


deep = st.builds(
    lambda depth, left, right: (left * depth + "0" + right * depth).encode(),
    st.integers(1, 200_000), st.sampled_from(['{"a":', "["]), st.sampled_from(["}", "]", ""]),
)  # fmt: skip
contents = st.one_of(
    st.binary(max_size=200),
    objects.map(as_json).map(str.encode),
    values.map(as_json).map(str.encode),
    deep,
    st.lists(st.one_of(objects, values).map(as_json), max_size=6).map(
        lambda lines: "\n".join(lines).encode() + b"\n"
    ),
)
kinds = st.sampled_from(["folder", "pipe", "circle", "nowhere", "zero"])
folders = st.dictionaries(st.sampled_from(NAMES), st.one_of(contents, contents, kinds), min_size=1)


def lay(folder, files):
    """A folder with those files: bytes, or the kind of a thing that is no file."""
    folder.mkdir()
    for name, what in files.items():
        path = folder / name
        if isinstance(what, bytes):
            path.write_bytes(what)
        elif what == "folder":
            path.mkdir()
        elif what == "pipe":
            os.mkfifo(path)
        else:
            path.symlink_to({"circle": path, "nowhere": "no-such", "zero": "/dev/zero"}[what])


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    """A project with one good run, which stays."""
    root = tmp_path_factory.mktemp("project")
    good = RunFolder(root / "runs" / "good")
    good.path.mkdir(parents=True)
    good.write_config({"task": "digits", "command": "python -m train digits --out runs/good"})
    for step in (1, 2, 3):
        good.append({"step": step, "task_loss": 1 / step})
    good.write_status(state="stopped", step=3, steps=9, eta_s=None, message="")
    return root


def told_of(training, run_id):
    """Everything that the Training tab asks about a run, as it goes to a browser."""
    told = training.since(run_id), training.state(run_id), training.facts(run_id)
    json.dumps(told, allow_nan=False).encode()
    str(told).encode()
    return told


def assert_harmless(root):
    """The folder `bad` beside the good one disables nothing."""
    training = Training(root)
    assert training.live() is None
    assert {run.id for run in training.runs()} == {"good", "bad"}
    assert training.attach() in ("good", "bad")
    reply, state, facts = told_of(training, "good")
    assert [row["step"] for row in reply["rows"]] == [1, 2, 3]
    assert (state["state"], state["can_resume"]) == ("stopped", True)
    assert ("Task", "Digits: picture and voice") in facts
    reply, state, _ = told_of(training, "bad")
    assert state["state"] in STATES
    assert len(reply["rows"]) <= MAX_POINTS
    assert len(state["message"]) <= 500
    for act in (training.stop, training.resume, lambda run: training.export(run, "csv")):
        if act == training.resume and state["can_resume"]:
            continue  # it would be launched
        with suppress(ValueError):  # a sentence for the visitor
            act("bad")


@settings(max_examples=150)
@given(files=folders)
@example(files={"config.json": b'{"a":' * 100_000})
@example(files={"status.json": b'{"state": "finished", "step": 1' + b"0" * 400 + b"}"})
@example(files={"status.json": b'{"state": "finished", "step": "six"}', "records.jsonl": b"{}\n"})
@example(files={"records.jsonl": b'{"step": 1e999}\n{"step": NaN}\n{"step": "1"}\n'})
@example(files={"lock": "folder", "status.json": b'{"state": "running"}'})
@example(files={"status.json": "pipe", "records.jsonl": "pipe", "train.log": "pipe"})
@example(files={"config.json": "zero", "records.jsonl": "zero", "train.log": "zero"})
@example(files=dict.fromkeys(NAMES, "circle"))
def test_rubbish_in_one_folder_harms_no_other(root, files):
    bad = root / "runs" / "bad"
    lay(bad, files)
    try:
        run = RunFolder(bad)
        run.config(), run.status(), run.records(), run.is_alive(), run.trouble()
        assert_harmless(root)
    finally:
        shutil.rmtree(bad)


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("config.json", b'{"a":' * 100_000),
        ("config.json", b'{"config": {"lr": 1' + b"0" * 400 + b"}}"),
        ("config.json", b"\x00\xff\xfe"),
        ("config.json", b"[1, 2]"),
        ("config.json", b'{"a": "' + b"x" * 2**23 + b'"}'),
        ("status.json", b'{"state": "finis'),
        ("status.json", b'{"state": ["finished"]}'),
        ("status.json", b'{"state": "exploded"}'),
        ("status.json", b'{"state": "finished", "message": "\\ud800"}'),
        ("records.jsonl", b"{}\n" * (MOST_RECORDS + 1)),
        ("records.jsonl", b'{"step": 1}\n' * 10_000_000),
    ],
    ids=lambda x: x if isinstance(x, str) else repr(x[:24]),
)  # fmt: skip
def test_that_run_alone_is_shown_as_unreadable(root, name, content):
    bad = root / "runs" / "bad"
    lay(bad, {name: content})
    try:
        assert_harmless(root)
        state = Training(root).state("bad")
        assert state["state"] == "unreadable"
        assert name in state["message"]
        assert "Other runs are not affected" in state["message"]
        assert not state["can_resume"]
        assert Training(root).attach() == "good"
    finally:
        shutil.rmtree(bad)


def test_the_longest_records_that_a_run_could_have_are_read(tmp_path):
    """Ten thousand epochs with four records each, as the form allows."""
    run = RunFolder(tmp_path)
    line = json.dumps({"step": 1, "iwv": dict.fromkeys("abcd", 0.123456789), "text": "x" * 500})
    (tmp_path / "records.jsonl").write_text(f"{line}\n" * 40_000)
    assert (tmp_path / "records.jsonl").stat().st_size < LARGEST_RECORDS
    assert len(run.records()[0]) == 40_000
    assert run.trouble() == ""


@pytest.mark.parametrize("leads", ["bad", "..", "no-such"])
def test_a_folder_that_is_a_link(root, leads):
    (root / "runs" / "bad").symlink_to(leads)
    try:
        training = Training(root)
        assert training.live() is None
        assert "good" in {run.id for run in training.runs()}
        assert training.state("good")["state"] == "stopped"
        told_of(training, "bad")
    finally:
        (root / "runs" / "bad").unlink()


@pytest.mark.skipif(not Path("/proc").exists(), reason="rights are dropped as Linux does it")
def test_a_folder_that_may_not_be_read(root):
    """In a process without the superuser's power to read everything."""
    bad = root / "runs" / "bad"
    lay(bad, {"config.json": b"{}", "status.json": b"{}", "lock": b""})
    bad.chmod(0)
    asked = (
        "import sys\nfrom pathlib import Path\n"
        "from mckd.studio.services.training import Training\n"
        "t = Training(Path(sys.argv[1]))\n"
        "print(t.live(), t.state('good')['state'], t.state('bad')['state'])\n"
    )
    try:
        done = subprocess.run(
            [sys.executable, "-c", asked, str(root)],
            cwd=Path(__file__).parents[2], preexec_fn=powerless, capture_output=True, text=True,
        )  # fmt: skip
        assert done.stdout.split() == ["None", "stopped", "unreadable"], done.stderr
    finally:
        bad.chmod(0o700)
        shutil.rmtree(bad)
