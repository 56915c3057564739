"""The rules of the house: who may import whom, and what the README promises."""

import ast
import re
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import pytest
from packaging.requirements import Requirement

from mckd.systems import SYSTEMS
from mckd.tasks import TASKS

ROOT = Path(__file__).parents[1]
SOURCES = sorted([*ROOT.glob("mckd/**/*.py"), *ROOT.glob("train/**/*.py"), ROOT / "app.py"])
UI_ROOMS = re.compile(
    r"mckd/studio/(page\.py|tabs/|widgets/|tasks/[a-z]+/([a-z]+_)?tab\.py)"  # who knows Gradio
)
SERVE_ONE_TASK = {  # besides its own folders
    "tumour": ("mckd/report/", "train/phantoms/", "mckd/__main__.py", "mckd/predict.py"),
}


def imports(path: Path) -> set[str]:
    """Every module imported anywhere in a file, also inside functions."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
    return found


def uses(path: Path, package: str) -> bool:
    return any(name == package or name.startswith(f"{package}.") for name in imports(path))


def name_of(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


@pytest.mark.parametrize("path", SOURCES, ids=name_of)
class TestImports:
    def test_go_one_way(self, path):
        name = name_of(path)
        if name.startswith("mckd/"):
            assert not uses(path, "train")
            assert not uses(path, "app")
        if name.startswith("mckd/method/"):
            for room in ("mckd.digits", "mckd.tumour", "mckd.files", "mckd.studio"):
                assert not uses(path, room)
        if name.startswith("mckd/systems/"):
            for room in ("mckd.digits", "mckd.tumour", "mckd.studio"):
                assert not uses(path, room)
            of_systems = {f"mckd.systems.{entry.module}" for entry in SYSTEMS.values()}
            assert not of_systems & imports(path)  # what several share lies in blocks
        if name.startswith(("mckd/digits/", "mckd/tumour/", "mckd/files/")):
            assert not uses(path, "mckd.studio")
        if name.startswith("train/"):
            assert not uses(path, "mckd.studio")

    @pytest.mark.parametrize("task", TASKS)
    def test_only_its_own_rooms_know_a_task(self, path, task):
        own = [f"{room}/{task}/" for room in ("mckd", "train", "mckd/studio/tasks")]
        if not name_of(path).startswith((*own, *SERVE_ONE_TASK.get(task, ()))):
            for room in own:
                assert not uses(path, room.rstrip("/").replace("/", "."))

    def test_gradio_stays_in_the_ui_rooms(self, path):
        assert not uses(path, "gradio") or UI_ROOMS.match(name_of(path))

    def test_no_torch_in_the_app_and_its_tabs(self, path):
        if name_of(path) == "app.py" or UI_ROOMS.match(name_of(path)):
            assert not uses(path, "torch")

    def test_nothing_unpickles(self, path):
        source = path.read_text(encoding="utf-8")
        assert not uses(path, "pickle")
        assert not re.search(r"(?<!safetensors\.)torch\.load\(", source)


def test_the_page_needs_no_heavy_import():
    """app.py serves before torch, librosa, scipy or matplotlib are imported."""
    code = (
        "import sys; from pathlib import Path; from mckd.studio import page; "
        "from mckd.studio.services import Services; "
        "page.build(Services.open(Path('.'), data=None, runs=None)); "
        "print([m for m in ('torch', 'librosa', 'scipy', 'matplotlib') if m in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert done.stdout.strip().splitlines()[-1] == "[]"


WANTED = [
    Requirement(line.split("#")[0])
    for line in (ROOT / "requirements.txt").read_text(encoding="utf-8").splitlines()
    if line.split("#")[0].strip()
]


class TestRequirements:
    lock = (ROOT / ".ci" / "requirements.lock").read_text(encoding="utf-8")

    def test_the_lock_holds_each_at_a_version_that_is_wanted(self):
        locked = dict(re.findall(r"^([a-z0-9-]+)==(\S+)", self.lock, re.M))
        assert len(locked) > len(WANTED)
        for one in WANTED:
            assert one.specifier.contains(locked[one.name.lower()]), one.name

    def test_the_lock_names_hashes_and_no_address(self):
        entries = re.split(r"^(?=[a-z0-9-]+==)", self.lock, flags=re.M)
        assert entries[0] == ""
        hashed = r"[a-z0-9-]+==\S+( \\\n    --hash=sha256:[0-9a-f]{64})+\n"
        assert all(re.fullmatch(hashed, entry) for entry in entries[1:])

    @pytest.mark.parametrize(
        "name",
        [
            "starlette",
            "python-multipart",
            "pillow",
            "h11",
            "fastapi",
            "uvicorn",
            "jinja2",
            "orjson",
        ],
    )
    def test_what_strangers_reach_has_a_floor(self, name):
        (one,) = (one for one in WANTED if one.name == name)
        assert ">=" in str(one.specifier)
        assert one.specifier.contains(version(name))  # and this computer keeps it


TESTS = sorted(p for p in ROOT.glob("tests/**/*.py") if "load" not in p.parts)
LIMITS = re.compile(
    r"timeout=[\d_]{2,}|mark\.timeout|\.(?:wait|join)\(\d|time\.monotonic\(\) [<>+]"
)


@pytest.mark.parametrize("path", TESTS, ids=name_of)
def test_no_test_has_a_limit_of_its_own(path):
    """Beside other work a machine is slow: all wait for states, at most as tests/patience.py."""
    if path.name not in ("patience.py", Path(__file__).name):
        assert LIMITS.findall(path.read_text(encoding="utf-8")) == []


class TestReadme:
    text = (ROOT / "README.md").read_text(encoding="utf-8")

    def test_the_space_s_gradio_is_the_pinned_one(self):
        pin = re.search(r"^gradio==(\S+)$", (ROOT / "requirements.txt").read_text(), re.M)[1]
        assert f"sdk_version: {pin}\n" in self.text

    def test_the_picture_and_named_rooms_exist(self):
        assert (ROOT / re.search(r"!\[.*?\]\((.*?)\)", self.text)[1]).is_file()
        tree = re.search(r"## How it is built\n\n```\n(.*?)```", self.text, re.S)[1]
        for line in tree.splitlines():
            assert (ROOT / line.split()[0]).exists(), line

    def test_its_short_description_fits_a_space(self):
        assert len(re.search(r"^short_description: (.*)$", self.text, re.M)[1]) <= 60
