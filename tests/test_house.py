"""The rules of the house: who may import whom, and what ARCHITECTURE.md promises."""

import ast
import io
import re
import subprocess
import sys
import tokenize
from functools import cache
from importlib.metadata import version
from pathlib import Path

import pytest
from packaging.requirements import Requirement

from mckd.systems import SYSTEMS
from mckd.tasks import TASKS

ROOT = Path(__file__).parents[1]
SOURCES = sorted([*ROOT.glob("mckd/**/*.py"), *ROOT.glob("train/**/*.py"), ROOT / "app.py"])
UI_ROOMS = re.compile(  # who knows Gradio
    r"mckd/studio/((page|api)\.py|tabs/|widgets/|tasks/[a-z]+/(widgets/|([a-z]+_)?tab\.py|api\.py))"
)
SERVE_ONE_TASK = {  # besides its own folders
    "tumour": (
        "mckd/clinic/",
        "mckd/report/",
        "mckd/__main__.py",
        "mckd/predict/",
        "train/clinic/",
    ),
}


FOLDERS_OF_TASKS = tuple(f"{package.replace('.', '/')}/" for package in TASKS.values())
UPWARD = {  # a room, and what it must not know; who knows a task is said below
    "mckd/method/": ("mckd.systems", "mckd.files", "mckd.tasks", "mckd.studio"),
    "mckd/systems/": ("mckd.tasks", "mckd.studio"),
    "mckd/files/": ("mckd.systems", "mckd.tasks", "mckd.report", "mckd.studio"),
    "mckd/clinic/": ("mckd.report", "mckd.studio"),
    "mckd/report/": ("mckd.studio",),
    "train/": ("mckd.studio",),
    **dict.fromkeys(FOLDERS_OF_TASKS, ("mckd.clinic", "mckd.report", "mckd.studio")),
}
# Rooms that are of no task and no system.
GENERAL = re.compile(r"(train|mckd/(files|method|systems|studio(/services|/tabs)?))/\w+\.py")
OURS = {*TASKS, *SYSTEMS} - {"mckd", "tables"}  # the project's name; a word of its own


@cache
def tree_of(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


@cache
def imports(path: Path) -> set[str]:
    """Every module imported anywhere in a file, also inside functions."""
    found = set()
    for node in ast.walk(tree_of(path)):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
    return found


def spelled(path: Path) -> set[str]:
    """Every name in a file, and every string that is no sentence."""
    found = imports(path)
    for node in ast.walk(tree_of(path)):
        match node:
            case ast.Constant(value=str(text)) if " " not in text:
                found = found | {text}
            case ast.Name(id=name) | ast.Attribute(attr=name) | ast.arg(arg=name):
                found = found | {name}
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
        for room, unknown in UPWARD.items():
            if name.startswith(room):
                assert [other for other in unknown if uses(path, other)] == []
        if name.startswith("mckd/systems/"):  # what several share lies in blocks
            of_systems = {f"mckd.systems.{entry.module}" for entry in SYSTEMS.values()}
            assert not of_systems & imports(path)

    @pytest.mark.parametrize("task", TASKS)
    def test_only_its_own_rooms_know_a_task(self, path, task):
        own = [f"{room}/{task}/" for room in ("mckd", "train", "mckd/studio/tasks")]
        if not name_of(path).startswith((*own, *SERVE_ONE_TASK.get(task, ()))):
            for room in own:
                assert not uses(path, room.rstrip("/").replace("/", "."))

    def test_general_rooms_name_no_task_and_no_system(self, path):
        """In imports, names and keys; sentences may hold the words."""
        name = name_of(path)
        if GENERAL.fullmatch(name) and not name.startswith("mckd/systems/"):
            words = {part for word in spelled(path) for part in re.split(r"[^a-z-]+|_", word)}
            assert words & OURS == set()

    def test_gradio_stays_in_the_ui_rooms(self, path):
        assert not uses(path, "gradio") or UI_ROOMS.match(name_of(path))

    def test_no_torch_in_the_app_and_its_tabs(self, path):
        if name_of(path) in ("app.py", "mckd/studio/serve.py") or UI_ROOMS.match(name_of(path)):
            assert not uses(path, "torch")

    def test_nothing_unpickles(self, path):
        source = path.read_text(encoding="utf-8")
        assert not uses(path, "pickle")
        assert not re.search(r"(?<!safetensors\.)torch\.load\((?!.*weights_only=True)", source)


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

    def test_their_files_are_those_that_pyproject_makes(self):
        check = [sys.executable, ROOT / ".ci" / "requirements.py", "--check"]
        done = subprocess.run(check, capture_output=True, text=True, check=False)
        assert done.stdout == "", "change pyproject.toml, then: python .ci/requirements.py"
        assert done.returncode == 0

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


class TestTree:
    """That of ARCHITECTURE.md, whose lines are folders and files."""

    text = (ROOT / "ARCHITECTURE.md").read_text(encoding="utf-8")
    lines = re.search(r"```\n(app\.py .*?)```", text, re.S)[1].splitlines()
    entries = [line.split()[0] for line in lines]  # noqa: RUF012

    def test_what_it_names_is_there_once(self):
        assert len({*self.entries}) == len(self.entries)
        for entry in self.entries:
            place = ROOT / entry
            assert place.is_dir() if entry.endswith("/") else place.is_file(), entry

    def test_no_folder_of_code_is_left_out(self):
        folders = {path.parent for path in SOURCES} - {ROOT}
        assert {f"{name_of(folder)}/" for folder in folders} <= {*self.entries}

    def test_every_line_says_what_is_there(self):
        assert [line for line in self.lines if len(line.split()) < 3] == []


MOST_LINES = 400
LONGER: dict[str, str] = {}  # {file: why it has to be}
WRITTEN = sorted(
    [*SOURCES, *ROOT.glob("tests/**/*.py"), *ROOT.glob("mckd/**/*.js"), *ROOT.glob("mckd/**/*.css")]
)


def lines_of_code(path: Path) -> int:
    """Lines that hold more than blanks, comment and docstring."""
    text = path.read_text(encoding="utf-8")
    if path.suffix != ".py":
        bare = re.sub(r"/\*.*?\*/|^\s*//.*?$", "", text, flags=re.S | re.M)
        return sum(bool(line.strip()) for line in bare.splitlines())
    lines: set[int] = set()
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        if token.type not in (tokenize.COMMENT, tokenize.ENDMARKER) and token.string.strip():
            lines |= {*range(token.start[0], token.end[0] + 1)}
    for node in ast.walk(tree_of(path)):
        match node:
            case ast.Expr(value=ast.Constant(value=str())):
                lines -= {*range(node.lineno, (node.end_lineno or 0) + 1)}
    return len(lines)


class TestLength:
    def test_is_counted_without_comments_and_docstrings(self, tmp_path):
        path = tmp_path / "a.py"
        body = 'def f():\n    """Three."""\n    return (\n        x\n    )\n'
        path.write_text(f'"""One\ntwo."""\n\nx = 1  # a\n# b\n\n\n{body}')
        assert lines_of_code(path) == 5
        script = tmp_path / "a.js"
        script.write_text("/* One\n two */\n// three\n\nlet x = 1; // a\n  // four\nx += 1;\n")
        assert lines_of_code(script) == 2

    @pytest.mark.parametrize("path", WRITTEN, ids=name_of)
    def test_of_every_file_is_within_the_limit(self, path):
        assert (lines_of_code(path) > MOST_LINES) == (name_of(path) in LONGER)
