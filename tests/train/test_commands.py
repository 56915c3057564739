"""What `python -m train` can be told: every flag explained, and without waiting for PyTorch."""

import argparse
import subprocess
import sys

import pytest

import mckd
from tests.conftest import ROOT
from train.__main__ import TASKS, main, parser


def all_parsers(top, name="train"):
    """Every parser below `top` by its command."""
    yield name, top
    for action in top._actions:
        if isinstance(action, argparse._SubParsersAction):
            for word, below in action.choices.items():
                yield from all_parsers(below, f"{name} {word}")


TABLES = ("1", "2", "3", "ablation", "collapse")
PARSERS = dict(all_parsers(parser())) | {
    f"train table --which {word}": dict(all_parsers(parser(table=word)))["train table"]
    for word in TABLES
}
OWN = (argparse._HelpAction, argparse._VersionAction, argparse._SubParsersAction)


def test_all_commands_are_walked():
    assert {f"train {task}" for task in TASKS} <= set(PARSERS)
    assert {"train data phantoms", "train data msd", "train table", "train bundle"} <= set(PARSERS)


@pytest.mark.parametrize("command", PARSERS)
def test_every_flag_says_what_it_means_its_choices_and_its_default(command):
    shown = " ".join(PARSERS[command].format_help().split())
    for action in PARSERS[command]._actions:
        if isinstance(action, OWN):
            continue
        name = action.option_strings[0] if action.option_strings else action.dest
        meaning, _, default = (action.help or "").partition("(")
        assert len(meaning.split()) >= 1, f"{command} {name} says nothing"
        assert "default: " in default or "required)" in default, f"{command} {name}: no default"
        assert ("required)" in default) == action.required, f"{command} {name}"
        if action.choices is not None:
            listed = "{" + ",".join(map(str, action.choices)) + "}"
            assert listed in shown, f"{command} {name} does not list its choices"


def test_defaults_that_differ_are_given_for_every_preset():
    shown = " ".join(PARSERS["train digits"].format_help().split())
    assert "epochs, the run's" not in shown
    assert "one epoch is what the task says it is (default: smoke 30, paper 60, studio 48)" in shown
    assert "weight of the distillation in Eq. 4 (paper: 0.1 is best) (default: 0.1)" in shown


@pytest.mark.parametrize(
    "words",
    [
        ["--help"],
        ["--version"],
        *([*command.split()[1:], "--help"] for command in PARSERS if command != "train"),
        ["digits", "--preset", "none", "--out", "x"],
        ["tumour", "--network", "none", "--out", "x"],
        ["digits", "--epochs", "0", "--out", "x"],
        ["digits", "--data", "no-such-folder", "--out", "x"],
        ["digits", "--out", "runs/no-such-run", "--resume"],
        ["digits", "--out", "README.md"],
        ["figures", "--which", "3,9", "--out", "x"],
    ],
    ids=" ".join,
)
def test_help_and_complaints_do_not_wait_for_heavy_imports(words):
    """Importing PyTorch takes most of a minute on a busy machine; numpy some seconds."""
    asked = (
        "import sys\n"
        "from train.__main__ import main\n"
        "try:\n"
        "    code = main(sys.argv[1:])\n"
        "except SystemExit as ended:\n"
        "    code = ended.code\n"
        "heavy = {'torch', 'numpy', 'scipy', 'nibabel'} & set(sys.modules)\n"
        "print('heavy:', sorted(heavy), 'code:', code)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", asked, *words], cwd=ROOT, capture_output=True, text=True
    )
    fine = "--help" in words or "--version" in words
    assert done.stdout.splitlines()[-1] == f"heavy: [] code: {0 if fine else 2}"
    assert "Traceback" not in done.stderr
    assert bool(done.stderr) != fine


def test_what_figures_are_drawn_from_by_default_is_there():
    given = parser().parse_args(["figures", "--out", "x"])
    paths = [given.ablation, *given.cases, *given.models, *given.runs]
    assert [path for path in paths if not path.exists()] == []


def test_the_version(capsys):
    with pytest.raises(SystemExit, match="0"):
        main(["--version"])
    assert capsys.readouterr().out.strip() == f"MCKD Studio {mckd.__version__}"
