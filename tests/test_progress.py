"""How far a run over many cases is: on a screen, in a log, and the time left in words."""

from __future__ import annotations

import io

from mckd.progress import Progress, clock


class Screen(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_progress_stays_on_one_line_of_a_screen(capsys) -> None:
    screen = Screen()
    progress = Progress(2, stream=screen)
    progress.begin("first")
    progress.reach(1, 0.5, "the model reads the images")
    progress.end("first: done")
    progress.begin("second")
    shown = screen.getvalue()
    assert "\n" not in shown
    assert "[1/2] first: the model reads the images, " in shown
    assert " left" in shown
    assert shown.endswith("left")
    assert capsys.readouterr().out == "first: done\n"


def test_progress_in_a_log_is_a_line_per_case() -> None:
    log = io.StringIO()
    progress = Progress(2, stream=log)
    progress.begin("first")
    progress.reach(2, 0.5, "subset 3 of 14")
    progress.fail("first: it is damaged.")
    assert log.getvalue().splitlines() == ["[1/2] first: reading", "first: it is damaged."]


def test_the_time_left() -> None:
    assert [clock(s) for s in (5, 59.4, 59.6, 75, 3600, 3900)] == [
        "5 s", "59 s", "1 min", "1 min", "1 h 00 min", "1 h 05 min"
    ]  # fmt: skip
