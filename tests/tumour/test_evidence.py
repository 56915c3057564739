"""What stands beside a volume: from the figures of the card, which the checkpoint carries."""

import re
from pathlib import Path

import pytest

from mckd.files.checkpoint import load_checkpoint
from mckd.method import subsets
from mckd.tumour import REGIONS, SEQUENCES
from mckd.tumour.evidence import caution, cautioned, no_tumour, ranged, unseen_dice
from mckd.tumour.naming import key_of

ROOT = Path(__file__).parents[2]
ABOUT = {
    "unseen": {
        "dice": {
            "t2": {"et": 0.157, "tc": 0.412, "wt": 0.673},
            "flair+t1c": {"et": 0.7, "tc": 0.3, "wt": 0.5},
        }
    }
}


@pytest.mark.parametrize(
    ("subset", "region", "word", "said"),
    [
        ({"t2"}, "et", "unreliable", "unreliable: Dice .16 on unseen cases"),
        ({"t2"}, "tc", "rough", "rough: Dice .41 on unseen cases"),
        ({"t2"}, "wt", "", ""),
        ({"t1c", "flair"}, "et", "", ""),
        ({"t1c", "flair"}, "tc", "rough", "rough: Dice .30 on unseen cases"),
        ({"t1c", "flair"}, "wt", "", ""),
    ],
)
def test_as_measured(subset, region, word, said) -> None:
    assert caution(ABOUT, subset, region) == word
    assert cautioned(ABOUT, subset, region) == said


def test_without_figures_what_is_known_of_the_images() -> None:
    assert cautioned({}, {"flair", "t2"}, "et") == "unreliable without T1c"
    assert cautioned({}, {"t1c"}, "et") == cautioned({}, {"t1"}, "wt") == ""
    assert unseen_dice({}, {"t1"}, "wt") is None


def test_the_bundled_checkpoint_carries_the_figures_of_its_card() -> None:
    about = load_checkpoint(ROOT / "checkpoints" / "tumour.safetensors").header
    card = (ROOT / "checkpoints" / "tumour.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| ([●○] \| [●○] \| [●○] \| [●○]) \| (.*) \|$", card, re.M)
    assert len(rows) == 15
    for (dots, figures), subset in zip(rows, subsets(SEQUENCES), strict=True):
        shown = [s for s, dot in zip(SEQUENCES, dots.split(" | "), strict=True) if dot == "●"]
        assert key_of(subset) == "+".join(shown)
        et, _, tc, wt = (float(n) for n in figures.split(" | ")[:4])
        found = [unseen_dice(about, subset, region) for region in REGIONS]
        assert found == pytest.approx([et, tc, wt], abs=5e-4)


class TestNoTumour:
    def test_nothing_is_outlined(self):
        assert no_tumour(0.0, None) == "No tumour found."
        assert no_tumour(0.0, (0.0, 3.4)) == "No tumour found. Up to 3 mL cannot be ruled out."

    def test_what_is_outlined_may_be_nothing(self):
        assert no_tumour(19.0, (0.0, 40.0)).startswith("No tumour found that is certain")

    def test_there_is_one(self):
        assert no_tumour(19.0, (12.0, 40.0)) == no_tumour(19.0, None) == ""


@pytest.mark.parametrize(
    ("interval", "words"),
    [(None, ""), ((0.0, 9.94), "0.0 to 9.9"), ((34.6, 51.4), "35 to 51")],
)
def test_a_range_in_words(interval, words):
    assert ranged(interval) == words
