"""FORMATS.md lists what files really hold: every key and column of such as are written here."""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Iterable

import pytest

from mckd.files.checkpoint import load_checkpoint
from mckd.files.results import FILE_COLUMNS, INDEX_COLUMNS
from mckd.report.archive import CONTENTS, figures
from mckd.report.subject import Subject
from mckd.tasks import ROOT, About, abouts

TEXT = (ROOT / "FORMATS.md").read_text(encoding="utf-8")
LISTED = set(re.findall(r"`([^`\n]+)`", TEXT))


def unlisted(names: Iterable[str]) -> list[str]:
    return [name for name in names if name not in LISTED]


@pytest.mark.parametrize("about", abouts(), ids=lambda about: about.key)
class TestWhatIsBundled:
    def test_run_folders(self, about: About) -> None:
        run = about.run()
        for name in ("config.json", "status.json"):
            assert unlisted(json.loads((run / name).read_text("utf-8"))) == []
        lines = (run / "records.jsonl").read_text("utf-8").splitlines()
        assert unlisted({key for line in lines for key in json.loads(line)}) == []

    def test_checkpoints(self, about: About) -> None:
        checkpoint = load_checkpoint(about.checkpoint())
        keys = {"task", "modalities", "settings", "metrics", "provenance", "versions"}
        assert keys <= set(checkpoint.header)
        assert unlisted(keys | {"weights", "system", "network", "unseen", "left_out"}) == []
        parts = {re.sub("/.*", "/...", name) for name in checkpoint.tensors}
        assert unlisted(parts) == []


def test_exports(subject: Subject) -> None:
    tables = figures(subject)
    (columns,) = csv.reader([tables["figures.csv"].decode().splitlines()[0]])
    assert unlisted(columns) == []
    (columns,) = csv.reader([tables["contributions.csv"].decode().splitlines()[0]])
    assert unlisted(columns) == ["sequence"]  # a line per region and sequence
    assert [kind for kind in CONTENTS if kind not in TEXT] == []
    assert unlisted({*INDEX_COLUMNS, *FILE_COLUMNS}) == []
