"""The service behind the Training tab: what it refuses, what it reads, and one real run."""

from __future__ import annotations

import json
import math
import os
import re
import string
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mckd.files.runs import RunFolder
from mckd.studio.services import training as service
from mckd.studio.services.training import Choices, Training, names_of, new_name, thin, tidy_row
from mckd.tasks import abouts
from tests.patience import until

ROOT = Path(__file__).parents[2]
HOSTILE = [
    None,
    "",
    0,
    True,
    1.5,
    [],
    {},
    ["one"],
    {"run": "one"},
    "..",
    "../one",
    "/etc/passwd",
    "one/../one",
    "one\0",
    "ONE ",
    ".hidden",
    "bundled:",
    "bundled:../../runs/one",
    "a" * 5000,
]


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A project root with nothing in it."""
    return tmp_path


def write_run(root: Path, name: str = "one", rows: int = 3, state: str = "finished") -> RunFolder:
    run = RunFolder(root / "runs" / name)
    run.path.mkdir(parents=True)
    run.write_config(
        {
            "task": "digits",
            "preset": "smoke",
            "command": f"python -m train digits --preset smoke --seed 3 --out runs/{name}",
            "config": {"seed": 3, "method": {"alpha": 0.1}},
            "provenance": {"index": list(range(900))},
        }
    )
    for step in range(1, rows + 1):
        run.append(row(step))
    run.write_status(state=state, step=rows, steps=rows, eta_s=None, message="")
    return run


def chosen(**changes: Any) -> Choices:
    """A form as a visitor may leave it."""
    return Choices(**{"task": "digits", "scarce": "audio", **changes})


def row(step: int) -> dict[str, Any]:
    return {
        "step": step,
        "epoch": step / 10,
        "task_loss": 1 / step,
        "iwv": {"visual": 0.6, "audio": 0.4},
        "validation": {"visual": 0.9, "audio": 0.8, "both": 0.95},
    }


# ---- commands


def test_the_command_is_the_form_in_words(project: Path) -> None:
    command = Training(project).command(chosen(rate=0.05, seed=7, epochs=2), "some-run")
    assert command == (
        "python -m train digits --preset smoke --audio-rate 0.05 --seed 7 --epochs 2 "
        "--out runs/some-run"
    )


def test_nothing_missing_and_no_epochs_leave_their_flags_out(project: Path) -> None:
    command = Training(project).command(chosen(scarce="none", epochs=None), "some-run")
    assert command == "python -m train digits --preset smoke --seed 0 --out runs/some-run"


def test_a_task_whose_modalities_drop_by_themselves_has_no_rate(project: Path) -> None:
    command = Training(project).command(Choices(task="tumour", scarce="audio"), "some-run")
    assert command == "python -m train tumour --preset smoke --seed 0 --out runs/some-run"


def test_another_system_is_named_in_the_command(project: Path) -> None:
    command = Training(project).command(chosen(system="shaspec"), "some-run")
    assert command.startswith("python -m train digits --preset smoke --system shaspec --audio-rate")
    assert "--system" not in Training(project).command(chosen(), "some-run")


def test_the_data_folder_comes_from_the_start_of_the_app_only(project: Path) -> None:
    folder = project / "my data"
    command = Training(project, data=folder).command(chosen(data="given"), "some-run")
    assert "--data 'my data' " in command
    with pytest.raises(ValueError, match="No folder was named"):
        Training(project).command(chosen(data="given"), "some-run")


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"task": "tumour; rm -rf ."}, "no such task"),
        ({"task": ["digits"]}, "no such task"),
        ({"preset": "--help"}, "no such preset"),
        ({"preset": None}, "no such preset"),
        ({"scarce": "touch"}, "which modality"),
        ({"rate": 0.5}, "how much"),
        ({"rate": "0.05 --x"}, "how much"),
        ({"rate": math.nan}, "how much"),
        ({"seed": -1}, "whole number"),
        ({"seed": 2**31}, "whole number"),
        ({"seed": 1.5}, "whole number"),
        ({"seed": None}, "whole number"),
        ({"seed": "1"}, "whole number"),
        ({"seed": math.inf}, "whole number"),
        ({"seed": True}, "whole number"),
        ({"epochs": -3}, "whole number"),
        ({"epochs": 10**9}, "whole number"),
        ({"data": "/etc"}, "data sources"),
        ({"system": "lower-bound"}, "systems in the list"),
        ({"system": ["mckd"]}, "systems in the list"),
    ],
)
def test_a_choice_that_is_not_in_the_form_is_refused(
    project: Path, changed: dict[str, Any], said: str
) -> None:
    training = Training(project)
    with pytest.raises(ValueError, match=said):
        training.start(chosen(**changed))
    assert not (project / "runs").exists()


@pytest.mark.parametrize("name", ["", "..", "a/b", "-x", "a b", ".a", "a\n", "ä", "a" * 101])
def test_a_run_name_is_one_plain_word(project: Path, name: str) -> None:
    with pytest.raises(ValueError, match="Run names"):
        Training(project).arguments(chosen(), name)


def test_generated_names_say_what_and_when() -> None:
    name = new_name(chosen(preset="paper"), datetime(2026, 1, 31, 14, 25, 0))
    assert name == "digits-paper-20260131-142500"


# ---- the list of runs


def test_runs_come_newest_first_and_the_bundled_one_last(project: Path) -> None:
    for age, name in enumerate(["new", "old"]):
        run = write_run(project, name)
        os.utime(run.path / "config.json", (1e9 - age, 1e9 - age))
    (project / "checkpoints" / "digits-run").mkdir(parents=True)
    (project / "checkpoints" / "digits-run" / "records.jsonl").write_text('{"step": 1}\n')
    training = Training(project)
    assert [run.id for run in training.runs()] == ["new", "old", "bundled:digits"]
    assert training.attach() == "new"


def test_with_no_run_the_page_shows_the_bundled_one_or_nothing(project: Path) -> None:
    training = Training(project)
    assert training.attach() is None
    assert training.state(None)["state"] == "none"
    (project / "checkpoints" / "digits-run").mkdir(parents=True)
    (project / "checkpoints" / "digits-run" / "records.jsonl").write_text('{"step": 1}\n')
    assert training.attach() == "bundled:digits"
    reply = training.since("bundled:digits")
    assert [r["step"] for r in reply["rows"]] == [1]
    assert reply["status"]["state"] == "finished"
    assert not reply["status"]["can_resume"]


@pytest.mark.parametrize("run_id", HOSTILE)
def test_an_id_that_is_not_in_the_list_reaches_no_file(project: Path, run_id: Any) -> None:
    write_run(project)
    training = Training(project)
    assert training.find(run_id) is None
    assert training.since(run_id, None)["rows"] == []
    assert training.facts(run_id) == []
    with pytest.raises(ValueError, match="not here"):
        training.export(run_id, "csv")
    with pytest.raises(ValueError, match="not here"):
        training.stop(run_id)
    with pytest.raises(ValueError, match="not here"):
        training.resume(run_id)


# ---- reading


@pytest.mark.parametrize(
    "cursor", [*HOSTILE, "5", "5:", "-1:0", "1:1", "99999999:12345", "9" * 40 + ":0"]
)
def test_a_cursor_that_is_not_ours_starts_from_the_beginning(project: Path, cursor: Any) -> None:
    write_run(project)
    reply = Training(project).since("one", cursor)
    assert [r["step"] for r in reply["rows"]] == [1, 2, 3]
    assert reply["reset"] is True


@settings(max_examples=40, deadline=None)
@given(data=st.data())
def test_however_the_file_grows_each_row_arrives_once(
    data: st.DataObject, tmp_path_factory: pytest.TempPathFactory
) -> None:
    root = tmp_path_factory.mktemp("grow")
    steps = data.draw(st.integers(1, 30))
    lines = b"".join(json.dumps(row(s)).encode() + b"\n" for s in range(1, steps + 1))
    cuts = sorted(data.draw(st.lists(st.integers(0, len(lines)), max_size=8)))
    folder = root / "runs" / "one"
    folder.mkdir(parents=True)
    training, cursor, seen, written = Training(root), None, [], 0
    for cut in [*cuts, len(lines)]:
        with (folder / "records.jsonl").open("ab") as file:
            file.write(lines[written:cut])
        written = cut
        reply = training.since("one", cursor)
        cursor = reply["cursor"]
        if reply["reset"]:
            seen = []
        seen += [r["step"] for r in reply["rows"]]
    assert seen == list(range(1, steps + 1))


def test_nothing_new_is_an_empty_answer(project: Path) -> None:
    write_run(project)
    training = Training(project)
    first = training.since("one")
    again = training.since("one", first["cursor"])
    assert again["rows"] == []
    assert again["reset"] is False


def test_a_file_replaced_by_a_longer_one_starts_anew(project: Path) -> None:
    run = write_run(project, rows=3)
    training = Training(project)
    cursor = training.since("one")["cursor"]
    records = run.path / "records.jsonl"
    records.write_text("".join(json.dumps(row(s)) + "\n" for s in range(100, 120)))
    reply = training.since("one", cursor)
    assert reply["reset"] is True
    assert reply["rows"][0]["step"] == 100
    assert len(reply["rows"]) == 20


def test_broken_lines_and_odd_numbers_are_tolerated(project: Path) -> None:
    run = write_run(project, rows=0)
    (run.path / "records.jsonl").write_text(
        '{"step": 1, "task_loss": NaN, "iwv": {"visual": Infinity, "audio": null}}\n'
        "not json\n"
        "[1, 2]\n"
        '{"no": "step"}\n'
        '{"step": "three"}\n'
        '{"step": 4, "iwv": 7, "validation": {"visual": "high", "both": 0.123456789}}\n'
        '{"step": 5, "task_lo'
    )
    reply = Training(project).since("one")
    assert reply["rows"] == [
        {"step": 1, "task_loss": None, "iwv": {"visual": None, "audio": None}},
        {"step": 4, "validation": {"visual": None, "both": 0.12346}},
    ]
    json.dumps(reply, allow_nan=False)


def test_a_row_has_the_losses_of_its_system_and_no_others() -> None:
    losses = {"task_loss": 1.0, "domain_loss": 0.5, "alignment_loss": None}
    other = {"loss": 2.0, "x" * 99 + "_loss": 3.0, "<b>_loss": 4.0}
    assert tidy_row({"step": 1, **losses, **other}) == {"step": 1, **losses}
    many = {f"{a}{b}_loss": 0.0 for a in string.ascii_lowercase for b in string.ascii_lowercase}
    assert len(tidy_row({"step": 1, **many}) or {}) <= service.MAX_SERIES + 1


def test_a_row_names_a_bounded_number_of_series() -> None:
    filled = {"fill_l1": {"t1": 0.25}, "fill_cosine": {"t1": 0.75}}  # paper, Fig. 5
    assert tidy_row({"step": 1, **filled}) == {"step": 1, **filled}
    tidy = tidy_row({"step": 1, "iwv": {f"m{i}": 0.0 for i in range(1000)}})
    assert tidy is not None
    assert len(tidy["iwv"]) <= service.MAX_SERIES


def test_long_runs_are_thinned_but_keep_their_ends_and_validations(project: Path) -> None:
    rows = [{"step": s} for s in range(10_000)]
    for s in range(0, 10_000, 100):
        rows[s]["validation"] = {"both": 0.5}
    kept = thin(rows, 1500)
    steps = [r["step"] for r in kept]
    assert len(kept) <= 1500
    assert steps == sorted(set(steps))
    assert (steps[0], steps[-1]) == (0, 9999)
    assert sum("validation" in r for r in kept) == 100
    assert thin(rows[:7], 1500) == rows[:7]


def test_a_deleted_folder_is_said_to_be_gone(project: Path) -> None:
    run = write_run(project)
    training = Training(project)
    cursor = training.since("one")["cursor"]
    for path in sorted(run.path.rglob("*"), reverse=True):
        path.unlink() if path.is_file() else path.rmdir()
    run.path.rmdir()
    reply = training.since("one", cursor)
    assert reply["rows"] == []
    assert reply["status"]["state"] == "gone"


def test_a_killed_run_is_stopped_and_can_be_resumed(project: Path) -> None:
    write_run(project, state="running")
    state = Training(project).state("one")
    assert state["state"] == "stopped"
    assert state["can_resume"]
    assert not state["can_stop"]
    assert state["eta_s"] is None


def test_two_readers_at_once_do_not_take_each_other_for_a_trainer(project: Path) -> None:
    run = write_run(project)
    with run.hold():
        pass  # the lock file exists now, and nobody holds it
    training, seen = Training(project), []
    readers = [
        threading.Thread(
            target=lambda: seen.extend(training.state("one")["state"] for _ in range(100))
        )
        for _ in range(4)
    ]
    for reader in readers:
        reader.start()
    for reader in readers:
        reader.join()
    assert set(seen) == {"finished"}


def test_a_run_that_left_only_a_log_failed_with_its_last_line(project: Path) -> None:
    folder = project / "runs" / "one"
    folder.mkdir(parents=True)
    (folder / "train.log").write_text(f"Traceback\nError: no pairs in {project.resolve()}/data\n")
    state = Training(project).state("one")
    assert state["state"] == "failed"
    assert state["message"] == "no pairs in data"
    assert not state["can_resume"]


def test_facts_are_short_plain_text_without_the_path_of_the_project(project: Path) -> None:
    write_run(project)
    facts = dict(Training(project).facts("one"))
    assert facts["Preset"] == "smoke"
    assert facts["method: alpha"] == "0.1"
    assert facts["index"].endswith("(900 in all)")
    assert str(project) not in str(facts)


def test_records_can_be_taken_home(project: Path) -> None:
    write_run(project)
    training = Training(project)
    lines = training.export("one", "csv").read_text().splitlines()
    assert lines[0].split(",")[:3] == ["step", "epoch", "task_loss"]
    assert "iwv.visual" in lines[0]
    assert len(lines) == 4
    rows = [json.loads(line) for line in training.export("one", "jsonl").read_text().splitlines()]
    assert rows == [row(1), row(2), row(3)]
    with pytest.raises(ValueError, match="csv or jsonl"):
        training.export("one", "../x")


# ---- resume reads a command from a file: it is checked, not trusted


def saved_command(project: Path, command: str) -> list[str]:
    run = write_run(project, state="stopped")
    config = run.config() | {"command": command}
    run.write_config(config)
    training = Training(project)
    found = training.find("one")
    assert found is not None
    return training._saved_arguments(found)


def test_resume_repeats_the_saved_command(project: Path) -> None:
    words = saved_command(
        project, "python -m train digits --preset=paper --bf16 --resume --out elsewhere --seed 3"
    )
    assert words == [
        *("-m", "train", "digits", "--preset", "paper", "--bf16", "--seed", "3"),
        *("--out", "runs/one"),
    ]


@pytest.mark.parametrize(
    "command",
    [
        "",
        "python -c 'import os'",
        "python -m http.server",
        "python -m train other --out x",
        "python -m train digits; reboot",
        "python -m train digits --preset paper && reboot",
        "python -m train digits 'unclosed",
        "python -m train digits --Preset paper",
    ],
)
def test_a_damaged_saved_command_is_not_run(project: Path, command: str) -> None:
    with pytest.raises(ValueError, match=r"Start (anew|a new run)"):
        saved_command(project, command)


# ---- on a Space, and wherever strangers share the computer


def test_where_strangers_share_the_computer_training_is_off_and_replay_works(
    project: Path,
) -> None:
    run = write_run(project, state="stopped")
    training = Training(project, closed=service.SHARED)
    assert "python app.py" in training.closed
    actions: list[Callable[[], Any]] = [
        lambda: training.start(chosen()),
        lambda: training.stop("one"),
        lambda: training.resume("one"),
    ]
    for action in actions:
        with pytest.raises(ValueError, match="Training is off here"):
            action()
    assert [folder.name for folder in run.path.parent.iterdir()] == ["one"]
    assert len(training.since("one")["rows"]) == 3
    state = training.state("one")
    assert not state["can_stop"]
    assert not state["can_resume"]


def test_neither_gradio_nor_torch_is_needed() -> None:
    code = (
        "import sys, mckd.studio.services.training;"
        "print([m for m in ('gradio', 'torch') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert done.stdout.strip() == "[]", done.stderr


def test_a_start_says_what_it_does_by_what_the_folder_shows(project: Path) -> None:
    """The data are read before the lock is taken, the network is built after it."""
    run, training = RunFolder(project / "runs" / "one"), Training(project)
    run.path.mkdir(parents=True)
    training._children["one"] = subprocess.Popen([sys.executable, "-c", "input()"], stdin=-1)
    training._launched["one"] = time.monotonic()

    def said() -> tuple[Any, ...]:
        state = training.state("one")
        return state["state"], state["stage"], state["left_s"]

    try:
        assert said() == ("starting", service.LOADING, None)
        with run.hold():
            assert said() == ("starting", service.BUILDING, None)
            run.write_status(state="running", step=0, steps=9, eta_s=None, message="")
            assert said() == ("running", "", None)
            run.append(row(1))
            run.write_status(state="stopped", step=1, steps=9, eta_s=None, message="")
            assert said() == ("running", "", None)  # it ends: that is no start
            training._launched["one"] = time.monotonic()  # resumed
            training._start_s = 1000.0  # that the start before took
            state, stage, left_s = said()
            assert (state, stage) == ("starting", service.RESUMING)
            assert 0 < left_s <= 1000
    finally:
        training._children["one"].kill()


FETCH = "Fetch it: python -m train data msd --out x"


@pytest.mark.parametrize(
    ("written", "shown"),
    [
        ("It stopped; --resume goes on.", "It stopped; “resume” goes on."),
        ("Use a smaller --meta-lr or --lr.", "Use a smaller “meta lr” or “lr”."),
        (FETCH, FETCH),
        ("A pair -- of words", "A pair -- of words"),
    ],
)
def test_what_a_run_says_has_no_flags_but_in_a_command(
    project: Path, written: str, shown: str
) -> None:
    run = write_run(project, state="stopped")
    run.write_status(state="stopped", step=3, steps=9, eta_s=None, message=written)
    assert Training(project).state("one")["message"] == shown


def test_no_sentence_of_the_form_names_a_flag(project: Path) -> None:
    words = [service.SHARED]
    for task in abouts():
        words += [task.label, task.data, *(one.label for one in task.series.values())]
        words += [choice.label + choice.note for choice in (*task.presets, *task.scarce)]
    for choices in (chosen(data="given"), chosen(seed=-1), chosen(epochs=-1), chosen(rate=7)):
        with pytest.raises(ValueError, match=r".+") as problem:
            Training(project).command(choices)
        words.append(str(problem.value))
    assert not [sentence for sentence in words if "--" in sentence]


def test_names_of_curves_are_of_the_run_and_its_task(project: Path) -> None:
    write_run(project)
    names = Training(project).since("one")["names"]
    assert names["audio"] == {"label": "Voice", "colour": "--mk-digits-audio"}
    assert list(names) == ["visual", "audio", "both"]


def test_modalities_that_only_the_data_knows_are_drawn_too() -> None:
    own = {"task": "digits", "modalities": ["visual", "touch"]}
    assert names_of(own)["touch"] == {"label": "touch", "colour": ""}
    assert names_of({"task": "gone", "modalities": ["a"]}) == {"a": {"label": "a", "colour": ""}}
    assert names_of({"task": ["digits"], "modalities": "ab"}) == {}


# ---- a real trainer


@pytest.fixture
def real(tmp_path: Path) -> Iterator[Training]:
    training = Training(ROOT, runs=tmp_path / "runs")
    yield training
    live = training.live()
    if live is not None:
        training.stop(live)
        until(lambda: training.live() is None)


def reach(training: Training, run_id: str, true: Callable[[], Any], what: str) -> None:
    """Wait for something of a run; one that failed brings nothing any more."""

    def failed() -> object:
        state = training.state(run_id)
        return state["state"] == "failed" and state["message"]

    until(true, lambda: what, failed)


def reach_state(training: Training, run_id: str, state: str) -> None:
    reach(training, run_id, lambda: training.state(run_id)["state"] == state, state)


def test_two_epochs_from_start_to_finish(real: Training) -> None:
    run_id = real.start(chosen(epochs=2))
    assert re.fullmatch(r"digits-smoke-\d{8}-\d{6}", run_id)
    assert real.live() == run_id
    assert real.state(run_id)["state"] in ("starting", "running")
    with pytest.raises(ValueError, match=f"{run_id} is training now"):
        real.start(chosen(epochs=2))
    with pytest.raises(ValueError, match=f"{run_id} is training now"):
        real.resume(run_id)

    rows: list[dict[str, Any]] = []
    cursor = None

    def finished() -> bool:
        nonlocal cursor
        reply = real.since(run_id, cursor)
        cursor = reply["cursor"]
        rows.extend(reply["rows"])
        return bool(reply["status"]["state"] == "finished")

    reach(real, run_id, finished, "the end")
    rows += real.since(run_id, cursor)["rows"]
    assert len(rows) >= 2
    assert [r["step"] for r in rows] == sorted({r["step"] for r in rows})
    for r in rows:
        assert sum(r["iwv"].values()) == pytest.approx(1, abs=1e-4)
    assert rows[-1]["validation"]
    assert "--epochs 2" in dict(real.facts(run_id))["Command"]
    assert (real.runs_folder / run_id / "train.log").stat().st_size > 0
    assert real.live() is None
    child = real._children[run_id]
    until(lambda: child.returncode is not None)
    assert child.returncode == 0
    assert not Path(f"/proc/{child.pid}").exists()  # reaped, not a zombie


@pytest.mark.skipif(not Path("/proc").is_dir(), reason="asks /proc how far the trainer is")
def test_a_run_stopped_while_it_starts_was_stopped(real: Training) -> None:
    """Neither failed nor lost, though it wrote no status yet: its process heard and ended."""
    run_id = real.start(chosen(epochs=400))
    child = real._children[run_id]
    maps = Path(f"/proc/{child.pid}/maps")
    until(lambda: "libtorch" in maps.read_text())
    real.stop(run_id)
    until(lambda: real.state(run_id)["state"] not in ("starting", "running"))
    state = real.state(run_id)
    assert child.returncode == service.STOPPED_CODE
    assert (state["state"], state["message"]) == ("stopped", "Stopped before the first step.")
    assert real.live() is None


def test_another_app_finds_the_run_stops_it_and_resumes_it(real: Training) -> None:
    run_id = real.start(chosen(epochs=400))
    reach(real, run_id, lambda: len(real.since(run_id)["rows"]) >= 3, "three rows")
    restarted = Training(ROOT, runs=real.runs_folder)  # the app, started again
    assert restarted.attach() == run_id
    assert restarted.state(run_id)["can_stop"]
    with pytest.raises(ValueError, match="is training now"):
        restarted.start(chosen(epochs=1))
    restarted.stop(run_id)
    reach_state(restarted, run_id, "stopped")
    assert restarted.live() is None
    with pytest.raises(ValueError, match="already ended"):
        restarted.stop(run_id)
    before = restarted.since(run_id)["rows"][-1]["step"]

    restarted.resume(run_id)
    reach(
        restarted,
        run_id,
        lambda: restarted.since(run_id)["rows"][-1]["step"] > before,
        "a later row",
    )
    assert restarted.state(run_id)["state"] == "running"
    steps = [r["step"] for r in restarted.since(run_id)["rows"]]
    assert steps == sorted(set(steps))
    restarted.stop(run_id)
    reach_state(restarted, run_id, "stopped")


def test_a_trainer_that_cannot_begin_says_why(real: Training, tmp_path: Path) -> None:
    empty = tmp_path / "empty"
    empty.mkdir()
    training = Training(ROOT, runs=real.runs_folder, data=empty)
    run_id = training.start(chosen(data="given"))
    until(lambda: training.state(run_id)["state"] not in ("starting", "running"))
    state = training.state(run_id)
    assert state["state"] == "failed"
    assert "Traceback" not in state["message"]
    assert len(state["message"]) > 20
    assert not state["can_stop"]
