"""`python -m train space`: a folder for a Space, started as a Space starts it."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from huggingface_hub import SpaceCard, SpaceHardware
from packaging.requirements import Requirement

from mckd.tasks import CHECKPOINTS, ROOT
from tests.browser.conftest import free_port
from tests.patience import PATIENCE_S, until
from tests.test_app import running
from train.__main__ import main


@pytest.fixture(scope="module")
def space(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("space") / "studio"
    assert main(["space", "--out", str(folder), "--owner", "someone"]) == 0
    return folder


def test_its_front_matter_is_what_a_space_reads(space: Path) -> None:
    card = SpaceCard.load(space / "README.md")
    data = card.data.to_dict()
    assert (data["sdk"], data["app_file"]) == ("gradio", "app.py")
    assert data["suggested_hardware"] in [hardware.value for hardware in SpaceHardware]
    assert data["models"] == [f"someone/mckd-{key}" for key in ("digits", "tables", "tumour")]
    assert data["datasets"]
    assert data["tags"]
    assert data["license"] == "mit"
    linked = re.findall(r"\]\((?!https?:)(\S+?)\)", card.text)
    assert linked
    assert [link for link in linked if not (space / link).exists()] == []


def test_it_asks_for_all_but_what_a_space_brings_along(space: Path) -> None:
    """Gradio in the version of the front matter; of PyTorch, one that ZeroGPU has: 2.8 or later."""
    text = (space / "requirements.txt").read_text(encoding="utf-8")
    asked = {(one := Requirement(line)).name: one.specifier for line in text.splitlines()}
    whole = (ROOT / "requirements.txt").read_text(encoding="utf-8").splitlines()
    known = {(one := Requirement(line)).name for line in whole if not line.startswith("#")}
    assert known - set(asked) == {"gradio"}
    assert asked["torch"].contains("2.8.0")


def test_it_holds_no_more_than_it_needs(space: Path) -> None:
    assert {path.name for path in space.iterdir()} == {
        ".gitattributes", "LICENSE", "README.md", "app.py", "assets", "checkpoints", "mckd",
        "requirements.txt",
    }  # fmt: skip
    held, bundled = (
        {path.name for path in place.iterdir()} for place in (space / "checkpoints", CHECKPOINTS)
    )
    assert bundled - held == {"tables"}  # of RESULTS.md
    assert not list(space.rglob("__pycache__"))


def test_it_starts_with_every_model_and_nobody_trains(space: Path, tmp_path: Path) -> None:
    port = str(free_port())
    around = {"SPACE_ID": "someone/studio", "GRADIO_SERVER_PORT": port}
    with running(tmp_path, root=space, **around) as app:
        until(lambda: json.loads(app.ask("health")[1])["status"] == "ready")
        assert b"Training is off here because every visitor shares this computer" in app.ask("")[1]


FIRST = """
import sys

class Watch:
    seen = []

    def find_spec(self, name, *_):
        if name in ("spaces", "torch"):
            self.seen.append(name)

sys.meta_path.insert(0, Watch())
from pathlib import Path
from mckd.studio import page
from mckd.studio.services import Services
try:
    page.build(Services.open(Path("."), None, None))
finally:
    print(Watch.seen[0])
"""


def test_the_lender_comes_before_pytorch(space: Path) -> None:
    """On a ZeroGPU Space; without a GPU's driver the lender itself goes no further."""
    done = subprocess.run(
        [sys.executable, "-c", FIRST],
        cwd=space,
        env=os.environ | {"SPACES_ZERO_GPU": "1"},
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
        check=False,
    )
    assert done.stdout.split() == ["spaces"], done.stderr


def test_a_folder_that_holds_something_is_left_alone(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "mine.txt").write_text("x")
    assert main(["space", "--out", str(tmp_path)]) == 2
    assert "is not empty. Choose a new folder." in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]
