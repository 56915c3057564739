"""Strangers side by side: nobody sees or breaks what is another's, and leaving leaves nothing.

The app is the real one, in a process that can reach no other computer (tests/fence).
"""

from __future__ import annotations

import gzip
import json
import os
import re
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import nibabel
import pytest
from playwright.sync_api import expect

from mckd.studio.services.private import LOCK
from tests import small_heads
from tests.browser.conftest import Studio, Watch, blank, reach
from tests.patience import PATIENCE_S, until

ANSWER = "#tumour-findings .findings[data-scored=true]"
TELLING = "Mueller_Hans_19610321"
HEADER = b"PATIENT MUELLER HANS"


class Visitor:
    """A browser of its own with the page open. Notes its session and the files it fetched."""

    def __init__(self, browser: Any, url: str, watch: Watch) -> None:
        self.url, self.session, self.files, self.sent = url, "", [], []
        self.page = blank(browser, viewport={"width": 1440, "height": 1000})
        self.context = self.page.context
        watch.over(self.page)
        self.page.on("request", self._note)
        self.page.goto(url)
        self.page.wait_for_selector("#tumour-intake .case")

    def _note(self, request: Any) -> None:
        if "/file=" in request.url:
            self.files.append(request.url)
        if request.method == "POST" and "json" in request.headers.get("content-type", ""):
            self.sent.append((request.url, json.loads(request.post_data or "{}")))
            self.session = self.sent[-1][1].get("session_hash", self.session)

    def open_bundled(self) -> None:
        self.page.click("#tumour-intake [data-case=small_head]")
        self.answered()

    def open_own(self, *files: Path) -> None:
        self.page.click("#tumour-intake .own")
        self.page.set_input_files("#tumour-intake input[type=file]", [str(f) for f in files])
        self.page.wait_for_selector("#tumour-intake .go:not([disabled])")
        self.page.click("#tumour-intake .go")

    def answered(self) -> None:
        reach(self.page, "#tumour-viewer .viewer[data-loaded]")
        reach(self.page, "#tumour-findings .findings[data-status=answer]")

    def numbers(self) -> list[str]:
        return self.page.locator("#tumour-findings tbody td").all_inner_texts()

    def fetch(self, address: str, body: Any = None) -> tuple[int, bytes]:
        """A request of this browser, with its cookie."""
        options = {} if body is None else {"method": "POST", "data": body}
        reply = self.context.request.fetch(address, **options)
        return reply.status, reply.body()

    def function(self, target: str, event: str) -> int:
        """The number of the function behind an event of a widget."""
        config = json.loads(self.fetch(self.url + "config")[1])
        ids = {c["props"].get("elem_id"): c["id"] for c in config["components"]}
        where = [ids[target], event]
        return next(int(d["id"]) for d in config["dependencies"] if where in d["targets"])

    def post(self, address: str, body: str) -> tuple[int, Any]:
        """A call in JSON, as it is written."""
        kind = {"content-type": "application/json"}
        reply = self.context.request.post(address, data=body, headers=kind)
        return reply.status, reply.json()

    def join(self, target: str, event: str, *data: Any) -> tuple[int, Any]:
        """The same as `call`, in the queue: the answer comes by the stream of events."""
        return self.call(target, event, *data, way="queue/join")

    def call(
        self, target: str, event: str, *data: Any, session: str = "", way: str = "run/predict"
    ) -> tuple[int, Any]:
        """The app's function behind an event of a widget, called directly."""
        index = self.function(target, event)
        body = {"fn_index": index, "data": [*data], "session_hash": session or self.session}
        status, answer = self.fetch(f"{self.url}gradio_api/{way}", body)
        return status, json.loads(answer)


@pytest.fixture
def visit(browser: Any, clinic: Studio) -> Iterator[Callable[[], Visitor]]:
    """Come as a new visitor; the test fails on console errors and on foreign requests."""
    here: list[Visitor] = []
    watch = Watch()

    def come() -> Visitor:
        here.append(Visitor(browser, clinic.url, watch))
        return here[-1]

    yield come
    for visitor in here:
        visitor.context.close()
    assert watch.foreign == []
    assert watch.complaints == []


def files_of_somebody(folder: Path) -> list[Path]:
    """Two files of somebody with a telling name, in the file names and in the header."""
    return [
        small_heads.save(
            folder / f"{TELLING}_{word}.nii.gz", small_heads.volume(word), about=HEADER
        )
        for word in ("flair", "t2")
    ]


@pytest.fixture
def own(tmp_path: Path) -> list[Path]:
    return files_of_somebody(tmp_path)


SEND_ONLY = """async () => {
  const form = new FormData();
  form.append('files', new Blob(['x']), 'never_opened.nii');
  return (await fetch('gradio_api/upload', { method: 'POST', body: form })).status;
}"""


def kept(clinic: Studio) -> list[Path]:
    """Every file of every visitor on the disk; what goes while one looks is gone.

    The app's own lock, which says that it lives, is no visitor's.
    """
    found = [Path(place) / name for place, _, names in os.walk(clinic.private) for name in names]
    return [path for path in found if path.name != LOCK]


@pytest.fixture(scope="module", autouse=True)
def left_behind(
    browser: Any, clinic: Studio, tmp_path_factory: pytest.TempPathFactory
) -> list[Path]:
    """What a visitor left on the disk who closed the page before all tests here.

    It goes half a minute later; the test that looks is the last.
    """
    before = {*kept(clinic)}
    ann = Visitor(browser, clinic.url, Watch())
    ann.open_own(*files_of_somebody(tmp_path_factory.mktemp("somebody")))
    ann.answered()
    assert ann.page.evaluate(SEND_ONLY) == 200  # and what was sent but never opened
    left = {*kept(clinic)} - before
    ann.context.close()
    return sorted(left)


# ---- two visitors


def test_two_visitors_with_different_cases_share_nothing(
    visit: Callable[[], Visitor], own: list[Path]
) -> None:
    ann, bob = visit(), visit()
    ann.open_bundled()
    bob.open_own(*own)
    bob.answered()
    before = ann.numbers()
    bob.page.click("#tumour-sequences input[data-sequence=flair]")
    bob.page.wait_for_selector('#tumour-findings .findings[data-used="T2"]')
    ann.page.click("#tumour-sequences input[data-sequence=t1]")
    ann.page.wait_for_selector('#tumour-findings .findings[data-used="FLAIR,T1c,T2"]')
    ann.page.click("#tumour-sequences input[data-sequence=t1]")
    ann.page.wait_for_selector(f'{ANSWER}[data-used="FLAIR,T1,T1c,T2"]')
    assert ann.numbers() == before
    assert ann.page.locator("#tumour-findings .case").inner_text().startswith("Small Head")
    assert TELLING in bob.page.locator("#tumour-findings .case").inner_text()
    assert TELLING not in ann.page.content()

    homes = [{re.findall(r"/sent/([0-9a-f]{32})/", url)[0] for url in v.files} for v in (ann, bob)]
    assert [len(home) for home in homes] == [1, 1]
    assert homes[0].isdisjoint(homes[1])
    for visitor, name in ((ann, "case_mckd_flair-t1-t1c-t2"), (bob, "case_mckd_t2")):
        with visitor.page.expect_download() as download:
            visitor.page.click("#tumour-findings .take")
        assert download.value.suggested_filename == f"{name}.nii.gz"
        image = nibabel.Nifti1Image.from_bytes(
            gzip.decompress(Path(download.value.path()).read_bytes())
        )
        assert b"MUELLER" not in bytes(image.header["descrip"])


def test_the_same_head_of_two_visitors_has_two_addresses(
    visit: Callable[[], Visitor], own: list[Path]
) -> None:
    ann, bob = visit(), visit()
    for visitor in (ann, bob):
        visitor.open_own(*own)
        visitor.answered()
    assert not set(ann.files) & set(bob.files)
    assert ann.numbers() == bob.numbers()


def test_nothing_of_another_visitor_can_be_reached(
    visit: Callable[[], Visitor], own: list[Path], clinic: Studio
) -> None:
    ann, bob = visit(), visit()
    ann.open_own(*own)
    ann.answered()
    bob.open_bundled()
    address = ann.files[0]
    assert ann.fetch(address)[0] == 200

    # guessed addresses of files, and folders
    secret = re.findall(r"/sent/([0-9a-f]{32})/", address)[0]
    wrong = secret.replace(secret[0], "0" if secret[0] != "0" else "1")
    for guess in (
        address.replace(secret, wrong),
        address.rsplit("/", 1)[0],
        address.rsplit("/", 2)[0],
        address.split(secret)[0],
        address.split("/sent/")[0] + "/given",
        *(f"{clinic.url}gradio_api/file={path}" for path in kept(clinic) if "given" in path.parts),
        clinic.url + "gradio_api/file=/etc/passwd",
        clinic.url + f"gradio_api/file={Path.cwd() / 'app.py'}",
        clinic.url + "gradio_api/file=http://127.0.0.1:1/",
    ):
        assert ann.fetch(guess)[0] in (403, 404), guess
        assert bob.fetch(guess)[0] in (403, 404), guess

    # the session of another
    for target, event, data in (
        ("tumour-sequences", "input", [None, {"on": ["t2"]}]),
        ("tumour-findings", "download", [None]),
        ("privacy", "delete", []),
    ):
        status, reply = bob.call(target, event, *data, session=ann.session)
        assert status == 403
        assert "another browser" in reply["detail"]
    assert bob.fetch(f"{clinic.url}gradio_api/heartbeat/{ann.session}")[0] == 403
    guess = {
        "session_hash": ann.session, "component_id": 1, "fn_name": "guess", "data": [["x"]]
    }  # fmt: skip
    assert bob.fetch(clinic.url + "gradio_api/component_server", guess)[0] == 403

    # the files and the key of another
    given = next(wish["files"] for _, b in ann.sent for wish in wishes(b) if "files" in wish)
    for wish in ({"files": given}, {"case": "own:" + "0" * 32}, {"case": "../small_head"}):
        status, reply = bob.call("tumour-intake", "open", None, wish)
        assert status == 200
        assert re.search(r"no longer here|no such bundled case", json.dumps(reply))
    ann.page.click("#tumour-sequences input[data-sequence=t2]")  # all is still there
    ann.page.wait_for_selector('#tumour-findings .findings[data-used="FLAIR"]')


def test_no_way_of_asking_opens_the_stream_of_another(
    visit: Callable[[], Visitor], own: list[Path], clinic: Studio
) -> None:
    ann, bob = visit(), visit()
    ann.open_own(*own)
    ann.answered()
    bob.open_bundled()
    base, theirs, mine = f"{clinic.url}gradio_api/", ann.session, bob.session
    cookie = "; ".join(f"{c['name']}={c['value']}" for c in bob.context.cookies())

    def stream(address: str, cookie: str) -> tuple[int, str]:
        """Status and what comes within three seconds."""
        asked = urllib.request.Request(address, headers={"Cookie": cookie})
        try:
            with urllib.request.urlopen(asked, timeout=3) as reply:
                said = b""
                try:
                    while line := reply.readline():
                        said += line
                except TimeoutError:
                    pass
                return reply.status, said.decode()
        except urllib.error.HTTPError as refused:
            return refused.code, refused.read().decode()

    # something of hers waits to be read
    status, job = ann.join("tumour-findings", "download", None, None)
    assert status == 200
    for query in (
        f"session_hash={theirs}",
        f"session_hash={mine}&session_hash={theirs}",
        f"session_hash={theirs}&session_hash={mine}",
        f"session_hash={mine}&session%5Fhash={theirs}",
        f"session_hash={mine};session_hash={theirs}",
        f"session_hash={mine}%26session_hash={theirs}",
        f"session_hash={mine}&session_hash[]={theirs}&session_hash={theirs}",
    ):
        status, said = stream(f"{base}queue/data?{query}", cookie)
        assert status in (400, 403, 422), query
        assert "/sent/" not in said
    for path in (f"heartbeat/{mine}%2F..%2F{theirs}", f"heartbeat/{mine}/../{theirs}", "call/x/1"):
        assert stream(base + path, cookie)[0] in (400, 404)
    call = f'"fn_index": {bob.function("tumour-findings", "download")}, "data": [null, null]'
    plain = f'{{"session_hash": "{mine}", {call}}}'
    assert bob.post(f"{base}queue/join", plain)[0] == 200
    for twice in (f'"session_hash": "{mine}", "session_hash": "{theirs}"',
                  f'"session_hash": "{mine}", "session_has\\u0068": "{theirs}"'):  # fmt: skip
        for way in ("run/predict", "queue/join"):
            assert bob.post(base + way, f"{{{twice}, {call}}}")[0] == 422
    for way in ("run/predict", "queue/join"):
        assert bob.post(f"{base}{way}?session_hash={theirs}", plain)[0] == 422

    # and it is there: she reads it
    cookie = "; ".join(f"{c['name']}={c['value']}" for c in ann.context.cookies())
    status, said = stream(f"{base}queue/data?session_hash={theirs}", cookie)
    assert status == 200
    assert job["event_id"] in said
    assert "/sent/" in said


def wishes(body: dict[str, Any]) -> list[dict[str, Any]]:
    return [entry for entry in body.get("data") or [] if isinstance(entry, dict)]


# ---- calls past the page


ODD_WISHES: list[Any] = [
    None,
    7,
    "case",
    [],
    {},
    {"case": None},
    {"case": ["small_head"]},
    {"case": {"small_head": 1}},
    {"files": "x"},
    {"files": [None, 7, "x"]},
    {"files": [{"slot": "t1", "ticket": "/etc/passwd"}]},
    {"files": [{"slot": "t1", "ticket": "../../../../etc/passwd"}]},
    {"files": [{"slot": "t1", "ticket": ["/etc/passwd"]}]},
    {"files": [{"slot": "t1", "ticket": "a\u0000b"}]},
    {"files": [{"slot": {"a": []}, "ticket": 1e308}]},
    {"files": [{"slot": "t1", "ticket": "x" * 10_000}]},
    {"case": "nothing", "extra": [[[[[{}]]]]]},
]


def test_odd_calls_get_a_sentence_and_read_nothing(
    visit: Callable[[], Visitor], clinic: Studio
) -> None:
    ann = visit()
    ann.session = ann.session or "odd-session"
    before = kept(clinic)
    for wish in ODD_WISHES:
        status, reply = ann.call("tumour-intake", "open", None, wish)
        said = json.dumps(reply)
        assert status == 200, wish
        assert re.search(
            r"no longer here|no such bundled case|at least one file|no sequence", said
        ), wish
        assert "root:" not in said
        assert "Traceback" not in said
    assert set(kept(clinic)) <= set(before)


def test_calls_that_name_other_computers_or_make_no_sense_are_refused(
    visit: Callable[[], Visitor], clinic: Studio
) -> None:
    ann = visit()
    ann.session = ann.session or "odd-session"
    far = {"path": "http://169.254.169.254/latest", "meta": {"_type": "gradio.FileData"}}
    assert ann.call("tumour-intake", "open", None, far)[0] == 422
    near = {"path": "/etc/passwd", "meta": {"_type": "gradio.FileData"}}
    status, reply = ann.call("tumour-intake", "open", None, near)
    assert status == 422
    assert "root:" not in json.dumps(reply)
    for body in ("{", "[]", "null", json.dumps({"fn_index": 0, "data": []})):
        assert ann.fetch(clinic.url + "gradio_api/run/predict", body)[0] == 422
    for path in ("monitoring", "docs", "gradio_api/deep_link?session_hash=x", "gradio_api/runs"):
        assert ann.fetch(clinic.url + path)[0] == 404
    ann.open_bundled()  # the next valid request works


def test_a_storm_of_clicks_ends_with_the_last(visit: Callable[[], Visitor]) -> None:
    ann = visit()
    ann.open_bundled()
    ann.sent.clear()
    for _ in range(41):
        ann.page.evaluate(
            "document.querySelector('#tumour-sequences input[data-sequence=t1c]').click()"
        )
        ann.page.wait_for_timeout(50)
    ann.page.wait_for_selector(f'{ANSWER}[data-used="FLAIR,T1,T2"]')
    ann.page.wait_for_timeout(500)
    expect(ann.page.locator("#tumour-findings .findings")).to_have_attribute(
        "data-used", "FLAIR,T1,T2"
    )
    asked = [body for url, body in ann.sent if "run/predict" in url]
    assert len(asked) <= 2 * 41


# ---- leaving


def test_delete_my_data_deletes_it_now_and_says_so(
    visit: Callable[[], Visitor], browser: Any, clinic: Studio, own: list[Path]
) -> None:
    bob = visit()
    bob.open_own(own[1])
    bob.answered()
    secret = re.findall(r"/sent/([0-9a-f]{32})/", bob.files[0])[0]
    theirs = [path for path in kept(clinic) if secret in path.parts]
    before = kept(clinic)
    ann = Visitor(browser, clinic.url, Watch())  # its streams are cut by the fresh page
    ann.open_own(*own)
    ann.answered()
    assert ann.page.evaluate(SEND_ONLY) == 200
    mine = [path for path in kept(clinic) if path not in before]
    assert "labels.gz" in {path.name for path in mine}
    sizes = {path.stat().st_size for path in mine if "given" in path.parts}
    assert sizes == {1, *(path.stat().st_size for path in own)}
    assert not any(TELLING in str(path) or "never_opened" in str(path) for path in mine)
    ann.page.click("#privacy .ask")
    ann.page.click("#privacy .no")
    assert all(path.exists() for path in mine)
    ann.page.click("#privacy .ask")
    ann.page.click("#privacy .yes")
    expect(ann.page.locator("#privacy .say")).to_contain_text("was deleted")
    assert not any(path.exists() for path in mine)
    expect(ann.page.locator("#tumour-viewer .veil")).to_contain_text("No case is open")
    assert ann.fetch(ann.files[0])[0] in (403, 404)
    assert theirs
    assert all(path.exists() for path in theirs)
    ann.open_bundled()  # and one can go on
    ann.context.close()


def test_a_session_that_was_forgotten_says_so(visit: Callable[[], Visitor]) -> None:
    ann = visit()
    ann.open_bundled()
    assert ann.call("privacy", "delete")[0] == 200  # past the page: it stays as it is
    ann.page.click("#tumour-sequences input[data-sequence=t1]")
    expect(ann.page.locator("#tumour-viewer .veil")).to_contain_text("open it again")


# ---- what is told to nobody


def test_no_name_no_path_and_no_header_text_in_the_log(
    visit: Callable[[], Visitor], clinic: Studio, own: list[Path], tmp_path: Path
) -> None:
    ann = visit()
    ann.open_own(*own)
    ann.answered()
    broken = tmp_path / f"{TELLING}_flair.nii.gz"
    broken.write_bytes(b"\x1f\x8b" + HEADER * 20)
    cut = tmp_path / f"{TELLING}_t2.nii.gz"
    cut.write_bytes(own[0].read_bytes()[:3000])
    for file in (broken, cut):
        fresh = visit()
        fresh.open_own(file)
        veil = fresh.page.locator("#tumour-viewer .veil")
        expect(veil).to_contain_text(file.name)  # the visitor is told which
        assert str(clinic.private) not in fresh.page.content()
        assert HEADER.decode() not in veil.inner_text()
    ann.call("tumour-intake", "open", None, {"files": [{"slot": "t1", "ticket": f"/x/{TELLING}"}]})
    said = clinic.log.read_text(errors="replace")
    for telling in ("mueller", "hans", "1961", str(clinic.private).lower(), str(tmp_path).lower()):
        assert telling not in said.lower()


def test_health_is_told_to_anybody_and_holds_nothing_of_visitors(
    visit: Callable[[], Visitor], clinic: Studio
) -> None:
    visit().open_bundled()
    with urllib.request.urlopen(clinic.url + "health", timeout=PATIENCE_S) as reply:
        assert reply.status == 200
        told = json.load(reply)
    assert set(told) == {"status", "version", "models"}
    assert told["models"]["tumour"] == "ready"
    with pytest.raises(urllib.error.HTTPError, match="404"):
        urllib.request.urlopen(clinic.url + "health/x", timeout=PATIENCE_S)


def test_the_app_tried_to_reach_nobody(visit: Callable[[], Visitor], clinic: Studio) -> None:
    visit().open_bundled()
    assert not clinic.fence.exists()
    assert "TELEMETRY" not in clinic.log.read_text().upper()


def test_closing_the_page_deletes_what_was_opened(left_behind: list[Path]) -> None:
    assert "labels.gz" in {path.name for path in left_behind}
    until(lambda: not any(path.exists() for path in left_behind))
