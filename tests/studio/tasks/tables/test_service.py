"""What the Tables tab asks for: models, samples, switches, archives of visitors."""

import copy
import io
import shutil
import zipfile
from pathlib import Path

import numpy as np
import pytest

from mckd.studio.services.folders import Folders
from mckd.studio.tasks.tables import panels
from mckd.studio.tasks.tables.service import BUNDLED, Desk, open_service
from tests.tables.folders import hospital, write
from tests.tables.trained import trained

ROOT = Path(__file__).parents[4]


@pytest.fixture(scope="module")
def tables(tmp_path_factory):
    """The project's own service, and a run on other tables."""
    runs = tmp_path_factory.mktemp("runs")
    run = trained(hospital(runs.parent / "data" / "h", 120)).parents[1]
    shutil.copytree(run, runs / "hospital")
    service = open_service(ROOT, Folders(), runs)
    assert service.status == "loading"
    service.warm()
    assert service.status == "ready"
    return service


@pytest.fixture
def desk(tables):
    desk = Desk()
    assert tables.begin(desk)
    return desk


def archive_of(folder, *left_out):
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as opened:
        for path in sorted(folder.iterdir()):
            if path.name not in left_out:
                opened.write(path, f"mine/{path.name}")
    file.seek(0)
    return file


def send(tables, desk, folder, *left_out, name="mine.zip"):
    ticket = tables._folders.receive("browser", name, archive_of(folder, *left_out))
    tables.open_archive(desk, ticket, "browser")


def files(tables):
    """Of all visitors."""
    return [path for path in tables._folders.given.rglob("*") if path.is_file()]


def test_it_begins_with_a_sample_that_was_not_trained_on(tables, desk):
    answer = tables.answer(desk)
    assert answer.part == "test"
    assert answer.prediction.present == set(desk.classifier.modalities)
    assert not tables.begin(desk)  # the second time that the tab is opened
    options = tables.samples(desk)
    assert len(options) == 240
    assert answer.sample in options[0].label


def test_a_copy_of_a_desk_is_a_fresh_one(desk):
    assert copy.deepcopy(desk).given is None


def test_another_sample_and_fewer_modalities(tables, desk):
    tables.choose_sample(desk, tables.samples(desk)[7].key)
    whole = tables.answer(desk)
    tables.switch(desk, ["pixels", "zernike", "no modality"])
    answer = tables.answer(desk)
    assert answer.sample == whole.sample
    assert answer.prediction.present == {"pixels", "zernike"}
    assert list(answer.shares) == ["pixels", "zernike"]
    assert sum(answer.shares.values()) == pytest.approx(answer.prediction.probabilities.max() - 0.1)


@pytest.mark.parametrize("on", [[], ["no modality"], None, "pixels"])
def test_one_modality_stays_on(tables, desk, on):
    before = desk.on
    with pytest.raises(ValueError, match="One modality has to stay on"):
        tables.switch(desk, on)
    assert desk.on == before


@pytest.mark.parametrize("key", ["1", "x", None, "-1", "99999"])
def test_only_what_is_listed_can_be_chosen(tables, desk, key):
    assert key not in {option.key for option in tables.samples(desk)}
    with pytest.raises(ValueError, match="not in the list"):
        tables.choose_sample(desk, key)
    with pytest.raises(ValueError, match="not in the list"):
        tables.choose_model(desk, key)


def test_scores_are_those_of_the_run(tables, desk):
    given = desk.given
    assert given.of_run
    assert given.scored == 240
    assert len(given.scores) == 63
    assert given.scores[frozenset(desk.classifier.modalities)] > 0.95
    assert given.nothing == pytest.approx(0.1, abs=0.02)


def test_runs_are_offered_and_want_their_own_tables(tables, desk, tmp_path):
    assert [option.key for option in tables.models()] == [BUNDLED, "hospital"]
    tables.choose_model(desk, "hospital")
    assert tables.samples(desk) == tables.present(desk) == []
    with pytest.raises(ValueError, match="trained on blood, clinical, scan"):
        tables.answer(desk)
    assert len(desk.given.scores) == 7
    assert "To this answer" not in panels.contributions(desk, None)
    tables.choose_model(desk, BUNDLED)
    assert tables.answer(desk).part == "test"


class TestArchive:
    @pytest.fixture
    def own(self, tables, desk, tmp_path):
        """Tables of their own, for the run on tables like them."""
        folder = hospital(tmp_path / "h", 60, seed=5)
        tables.choose_model(desk, "hospital")
        return folder

    def test_with_labels_it_is_scored(self, tables, desk, own):
        send(tables, desk, own)
        given = desk.given
        assert (given.name, given.scored, given.of_run) == ("mine.zip", 60, False)
        assert set(given.parts) == {""}
        assert given.scores[frozenset(desk.classifier.modalities)] > 0.6
        answer = tables.answer(desk)
        assert answer.truth in ("low", "mid", "high")
        assert "On your 60 samples with labels." in panels.subsets(desk)

    def test_without_labels_it_is_predicted(self, tables, desk, own):
        send(tables, desk, own, "labels.csv")
        assert desk.given.of_run
        assert tables.answer(desk).truth is None
        assert len(tables.samples(desk)) == 60

    def test_tables_may_be_missing(self, tables, desk, own):
        send(tables, desk, own, "blood.csv", "clinical.csv")
        assert tables.present(desk) == ["scan"]
        assert tables.answer(desk).prediction.present == {"scan"}

    def test_a_misspelt_table_is_named(self, tables, desk, own):
        (own / "scan.csv").rename(own / "scann.csv")
        with pytest.raises(ValueError, match=r"no table 'scann'. Did you mean 'scan'\?"):
            send(tables, desk, own)

    def test_the_bundled_samples_come_back(self, tables, desk):
        send(tables, desk, ROOT / "assets" / "tables")
        assert desk.own[0] == "mine.zip"
        parts = desk.given.parts
        # Two validation samples are in training too: the set holds three numerals twice.
        assert (parts.count("train"), parts.count("test")) == (1122, 240)
        tables.close_archive(desk)
        assert desk.given.name == BUNDLED

    def test_what_is_no_archive_leaves_what_was_open(self, tables, desk):
        ticket = tables._folders.receive("browser", "a.zip", io.BytesIO(b"nothing"))
        with pytest.raises(ValueError, match=r"a.zip is no ZIP archive"):
            tables.open_archive(desk, ticket, "browser")
        assert tables.answer(desk).part == "test"

    def test_a_ticket_that_is_none(self, tables, desk):
        for ticket in ("x", None, {"path": "/etc/passwd"}):
            with pytest.raises(ValueError, match="not here any more"):
                tables.open_archive(desk, ticket)

    def test_it_goes_with_its_visitor(self, tables, desk):
        send(tables, desk, ROOT / "assets" / "tables")
        with_it = len(files(tables))
        tables.close(desk)
        assert desk.own is desk.given is None
        assert len(files(tables)) == with_it - 1


def test_without_a_model_it_says_so(tmp_path):
    service = open_service(tmp_path, Folders(), tmp_path / "runs")
    service.warm()
    assert service.status == "unavailable"
    with pytest.raises(ValueError, match="There is no checkpoint tables"):
        service.begin(Desk())


class TestPanels:
    def test_names_of_files_are_escaped(self, tables, desk, tmp_path):
        rng = np.random.default_rng(0)
        ids = ["<b>one</b>", "${two}"]
        rows = "".join(f"{i},{','.join(map(str, rng.normal(size=6).round(3)))}\n" for i in ids)
        header = ",".join(f"morphology_{k}" for k in range(6))
        folder = write(
            tmp_path / "x",
            morphology=f"id,{header}\n{rows}",
            labels="id,digit\n<b>one</b>,<i>7\n${two},7\n",
        )
        send(tables, desk, folder)
        said = panels.verdict(desk, tables.answer(desk))
        assert "&lt;b&gt;one" in said
        assert "&lt;i&gt;7" in said
        assert "<b>one" not in said
        tables.choose_sample(desk, "1")
        assert "&#36;&#123;two}" in panels.verdict(desk, tables.answer(desk))

    def test_the_subset_that_is_on_is_marked(self, tables, desk):
        tables.switch(desk, ["pixels", "profiles"])
        said = panels.subsets(desk)
        (now,) = (row for row in said.split("<tr") if 'aria-current="true"' in row)
        assert 'title="pixels + profiles"' in now
        assert now.count("●") == 2
        assert now.count("○") == 4

    def test_a_modality_that_is_off_adds_nothing_here(self, tables, desk):
        tables.switch(desk, ["pixels"])
        said = panels.contributions(desk, tables.answer(desk))
        assert said.count("not used") == 5

    def test_bars_lie_within_their_scale(self):
        assert "left:0.00%;width:50.00%" in panels._bar(0, 0.5)
        assert 'class="less" style="left:25.00%;width:25.00%' in panels._bar(0, -0.5, -1, 1)


@pytest.mark.parametrize("value", [None, -7, "x", {}, {"a": 1}, [[1]], [{"a": [1]}], [None]])
def test_values_that_no_page_sends_are_refused_in_a_sentence(tables, desk, value):
    for ask in (tables.choose_model, tables.choose_sample, tables.switch):
        with pytest.raises(ValueError, match=r"\.$"):
            ask(desk, value)


def test_who_deleted_all_can_go_on(tables, desk, tmp_path):
    tables.close(desk)
    tables.close_archive(desk)
    assert tables.answer(desk).part == "test"
    tables.close(desk)
    with pytest.raises(ValueError, match="open it again"):
        tables.open_archive(desk, "no ticket", "browser")
    assert tables.answer(desk).part == "test"


def test_without_the_bundled_model_a_run_can_be_chosen(tables, tmp_path):
    service = open_service(tmp_path, Folders(), tables._runs.folder)
    service.warm()
    desk = Desk()
    with pytest.raises(ValueError, match=r"\.$"):
        service.close_archive(desk)
    service.choose_model(desk, "hospital")
    with pytest.raises(ValueError, match="Open a ZIP"):
        service.answer(desk)
