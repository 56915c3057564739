"""The wheel that `pip install .` makes: what it holds, and its programs from another folder."""

from __future__ import annotations

import subprocess
import sys
import sysconfig
import venv
import zipfile
from pathlib import Path

import pytest

from mckd import __version__
from mckd.tasks import CHECKPOINTS, ROOT, abouts
from tests import small_heads
from tests.browser.conftest import free_port
from tests.patience import PATIENCE_S, until
from tests.test_app import App


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
        for about in abouts()
        for place in (about.assets(), about.run(), about.checkpoint(), CHECKPOINTS / "compared")
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


def test_the_app_starts_with_every_model(programs: Path, tmp_path: Path) -> None:
    port = free_port()
    output = tmp_path / "output.log"
    with output.open("wb") as out:
        process = subprocess.Popen(
            [programs / "mckd-studio", "--port", str(port)], cwd=tmp_path, stdout=out, stderr=out
        )
    app = App(process, f"http://127.0.0.1:{port}/", output)
    try:
        until(lambda: is_ready(app), lambda: output.read_text(errors="replace"))
    finally:
        app.end()


def is_ready(app: App) -> bool:
    assert app.process.poll() is None, app.output.read_text(errors="replace")
    try:
        return b'"status":"ready"' in app.ask("health")[1].replace(b" ", b"")
    except OSError:
        return False
