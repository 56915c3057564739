"""The wheel that `pip install .` makes: what it holds, and its programs from another folder."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
import sysconfig
import venv
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from pydicom.data import get_testdata_file

from mckd import __version__
from mckd.tasks import CHECKPOINTS, ROOT, abouts
from tests import small_heads
from tests.browser.conftest import free_port
from tests.patience import PATIENCE_S, until
from tests.test_app import App, answers


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    into = tmp_path_factory.mktemp("wheel")
    build = ["wheel", str(ROOT), "--no-deps", "--no-build-isolation", "-q", "-w", str(into)]
    subprocess.run([sys.executable, "-m", "pip", *build], check=True, cwd=into)
    (made,) = into.glob("mckd_studio-*.whl")
    return made


@pytest.fixture(scope="module")
def programs(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A new environment with the wheel alone; what it needs is that of these tests."""
    home = tmp_path_factory.mktemp("environment")
    venv.create(home)
    python = home / "bin" / "python"
    install = ["install", "--no-deps", "--no-compile", "-q", str(wheel)]
    subprocess.run([sys.executable, "-m", "pip", "--python", str(python), *install], check=True)
    (packages,) = home.glob("lib/python*/site-packages")
    (packages / "others.pth").write_text(sysconfig.get_path("purelib"))
    return home / "bin"


def run(program: Path, *words: object, folder: Path) -> str:
    done = subprocess.run(
        [program, *map(str, words)],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_it_holds_all_code_and_what_is_bundled(wheel: Path) -> None:
    inside = {Path(name) for name in zipfile.ZipFile(wheel).namelist()}
    assert {path.parts[0] for path in inside} == {
        "mckd", "train", f"mckd_studio-{__version__}.dist-info",
    }  # fmt: skip
    sources = {
        path.relative_to(ROOT)
        for room in ("mckd", "train")
        for path in (ROOT / room).rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    bundled = {
        "mckd" / Path("bundled") / path.relative_to(ROOT)
        for place in (*(about.assets() for about in abouts()), *CHECKPOINTS.iterdir())
        if place != CHECKPOINTS / "tables"  # the numbers behind RESULTS.md
        for path in ([place] if place.is_file() else place.rglob("*"))
        if path.is_file()
    }
    assert sources | bundled <= inside


@pytest.mark.parametrize("name", ["mckd", "mckd-train", "mckd-studio"])
def test_its_programs_say_their_version(programs: Path, tmp_path: Path, name: str) -> None:
    assert run(programs / name, "--version", folder=tmp_path).split()[-1] == __version__


def test_a_case_is_segmented_and_a_model_trained_from_any_folder(
    programs: Path, tmp_path: Path
) -> None:
    small_heads.save_case(tmp_path / "case")
    run(programs / "mckd", "predict", "case", "--anyway", "--out", "results", folder=tmp_path)
    assert list((tmp_path / "results").rglob("masks/*.nii.gz"))
    train = ["tables", "--preset", "smoke", "--threads", 1, "--out", "runs/first"]
    run(programs / "mckd-train", *train, folder=tmp_path)
    assert (tmp_path / "runs" / "first" / "checkpoints" / "model.safetensors").is_file()


WITHOUT_DICOM = """
import sys

sys.modules["pydicom"] = None  # as if it were not installed
from mckd.__main__ import main

sys.exit(main(sys.argv[1:]))
"""


def test_dicom_without_its_extra_is_one_sentence(tmp_path: Path) -> None:
    source = get_testdata_file("MR_small.dcm", download=False)
    (tmp_path / "study").mkdir()
    shutil.copy(str(source), tmp_path / "study")
    words = ["predict", tmp_path / "study", "--out", tmp_path / "results"]
    done = subprocess.run(
        [sys.executable, "-c", WITHOUT_DICOM, *map(str, words)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
        check=False,
    )
    assert done.returncode == 2
    assert done.stderr.splitlines()[-1] == (
        "Error: pydicom is missing. DICOM and images that are not prepared need: "
        "pip install 'mckd-studio[clinic]'"
    )
    assert "Traceback" not in done.stderr


@pytest.fixture(scope="module")
def app(programs: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[App]:
    """The installed app, started in an empty folder."""
    folder, port = tmp_path_factory.mktemp("anywhere"), free_port()
    output = folder / "output.log"
    with output.open("wb") as out:
        process = subprocess.Popen(
            [programs / "mckd-studio", "--port", str(port)], cwd=folder, stdout=out, stderr=out
        )
    started = App(process, f"http://127.0.0.1:{port}/", output)
    try:
        until(lambda: answers(started))
        yield started
    finally:
        started.end()


def test_the_app_starts_with_every_model(app: App) -> None:
    until(lambda: json.loads(app.ask("health")[1])["status"] == "ready")


# What was measured when the line was last changed. Whoever makes one of these grow by more than a
# tenth changes its line, so that a review sees it. Work is counted in modules, not in seconds.
BUDGET = {
    "the wheel, bytes": 56_000_000,
    "the wheel without models and examples, bytes": 898_000,
    "packages that requirements.txt brings along": 117,
    "the page, bytes": 668_000,
    "modules imported before the page is served": 1919,
    "modules imported for the command line of mckd": 107,
}
SERVED = """
from mckd.studio import page
from mckd.studio.services import Services
from mckd.tasks import ROOT

page.build(Services.open(ROOT, data=None, runs=None))
"""


def modules(program: str) -> int:
    """How many modules a program has imported when it is done."""
    code = f"{program}\nimport sys\nprint(len(sys.modules))"
    return int(run(Path(sys.executable), "-c", code, folder=ROOT).split()[-1])


def test_nothing_has_grown_by_more_than_a_tenth_unseen(wheel: Path, app: App) -> None:
    inside = zipfile.ZipFile(wheel).infolist()
    lock = (ROOT / ".ci" / "requirements.lock").read_text(encoding="utf-8")
    measured = [
        wheel.stat().st_size,
        sum(file.compress_size for file in inside if "/bundled/" not in file.filename),
        len(re.findall(r"^[a-z0-9-]+==", lock, re.M)),
        len(app.ask("")[1]),
        modules(SERVED),
        modules("import mckd.__main__"),
    ]
    grown = {
        what: found
        for (what, budget), found in zip(BUDGET.items(), measured, strict=True)
        if found > 1.1 * budget
    }
    assert grown == {}, f"{measured}"
