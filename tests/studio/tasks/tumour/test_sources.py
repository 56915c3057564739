"""Which cases can be opened: the bundled ones and a visitor's own."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from mckd.studio.tasks.tumour import case_tab as tab
from mckd.studio.tasks.tumour import sources
from mckd.studio.tasks.tumour.cases import CaseService
from mckd.studio.tasks.tumour.desk import Desk
from mckd.studio.tasks.tumour.opened import spoken
from mckd.studio.tasks.tumour.sources import sort
from tests.studio.tasks.tumour.stub import Stub, upload


def test_bundled_cases_are_listed(service: CaseService, tmp_path: Path) -> None:
    assert service.sources.listed() == [
        {"key": "phantom_a", "name": "Phantom A", "about": "A small head"},
        {"key": "phantom_b", "name": "Phantom B", "about": ""},
    ]
    assert CaseService(Stub, tmp_path / "none").sources.listed() == []
    with pytest.raises(ValueError, match="no such bundled case"):
        service.sources.bundled("../phantom_a")
    assert spoken("brats2021_00000") == "Brats2021 00000"


def test_own_files_belong_to_one_visitor(service: CaseService, cases: Path, tmp_path: Path) -> None:
    sent = upload(service, cases / "phantom_a" / "phantom_a_flair.nii.gz")
    one, two = Desk(), Desk()
    first = service.sources.own(one.owner, {"flair": sent})
    again = service.sources.own(one.owner, {"t2": sent})  # now they call it something else
    assert again.key != first.key
    assert again.files == {"t2": first.files["flair"]}
    with pytest.raises(ValueError, match="no longer here"):
        service.sources.own(two.owner, {"flair": sent})
    with pytest.raises(ValueError, match="at least one file"):
        service.sources.own(one.owner, {"seg": sent})
    with pytest.raises(ValueError, match="no sequence"):
        service.sources.own(one.owner, {"flair": sent, "../x": sent})


def test_files_are_sorted_into_cases_by_their_names(service: CaseService) -> None:
    names = ["P/a_flair.nii.gz", "P/b-t1c.nii", "P/x_seg.nii", "P/holiday.nii", "P/a_mask.nii"]
    assert sort(names) == {
        "cases": [
            {
                "name": "P",
                "slots": dict(zip(sorted(names[:4]), ("flair", "t1c", "", "seg"), strict=True)),
            }
        ],
        "left": {"P/a_mask.nii": "another kind of image, or made from images"},
    }
    assert sort(["BRATS_001.nii.gz"])["cases"][0]["slots"] == {"BRATS_001.nii.gz": "stack"}


@pytest.mark.parametrize("odd", ["x", None, 7, {}, [], [None, 7, {}, ["x"]], ["x" * 5000]])
def test_odd_names_are_sorted_into_nothing_that_is_an_image(
    service: CaseService, odd: object
) -> None:
    cases = sort(odd)["cases"]
    assert not any(slot for case in cases for slot in case["slots"].values())


def test_no_more_names_are_sorted_than_a_page_lists(service: CaseService) -> None:
    found = sort([f"{number}_t1.nii" for number in range(1000)])
    assert sum(len(case["slots"]) for case in found["cases"]) == sources.MOST_NAMES


@pytest.mark.parametrize(
    "path",
    ["/etc/passwd", "../../etc/passwd", "", ".", None, 7, "nothing.nii.gz", "x" * 5000, "a\0b"],
)
def test_only_uploads_can_be_opened(service: CaseService, path: Any) -> None:
    for entry in ({"slot": "flair", "ticket": path}, path):
        with pytest.raises(ValueError, match=r"no longer here|at least one"):
            tab.source_of(service, Desk(), {"files": [entry]})


def test_nobody_opens_what_lies_in_another_visitor_s_folder(
    service: CaseService, cases: Path
) -> None:
    one = Desk()
    wish = {"slot": "t1", "ticket": upload(service, cases / "phantom_a" / "phantom_a_t1.nii.gz")}
    taken = tab.source_of(service, one, {"files": [wish]}).files["t1"]
    assert tab.source_of(service, one, {"files": [wish]}).files["t1"] == taken
    for path in (wish["ticket"], str(taken)):
        with pytest.raises(ValueError, match="no longer here"):
            tab.source_of(service, Desk(), {"files": [{"slot": "t1", "ticket": path}]})
