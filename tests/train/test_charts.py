"""Charts: the same points in print and on a page, and nothing fetched from elsewhere."""

import json
import re

import numpy as np
import pytest

from train.charts import LIBRARY, Chart, Curve, Panel, as_matplotlib, as_plotly, save_chart

CURVE = Curve(
    "L1", "#2b62b0", [0, 1, 2], [90.0, 92.5, 91.0], [89.0, 92.0, 88.0], [91.5, 93.5, 92.0]
)
LONG = Curve("task", "#a34c08", list(range(100)), [1 / (1 + k) for k in range(100)])
CHART = Chart(
    "Two panels",
    "what it is of",
    [
        Panel("accuracy", "alpha", "%", [CURVE], ("0", "0.1", "1")),
        Panel("loss", "step", "loss", [LONG], logarithmic=True),
        Panel("weights (not recorded)", "step", "w", []),
    ],
    2,
)


def test_print_has_every_point_and_the_ends_of_its_interval():
    figure = as_matplotlib(CHART)
    accuracy, loss, weights, spare = figure.axes
    (line, _, (bars,)) = accuracy.containers[0]
    assert line.get_xydata().tolist() == [[0, 90], [1, 92.5], [2, 91]]
    ends = [sorted(segment[:, 1]) for segment in bars.get_segments()]
    assert np.allclose(ends, [[89, 91.5], [92, 93.5], [88, 92]])
    assert [text.get_text() for text in accuracy.get_xticklabels()] == ["0", "0.1", "1"]
    assert loss.get_yscale() == "log"
    assert weights.get_title() == "weights (not recorded)"
    assert not spare.get_visible()


def test_the_page_has_the_same_points():
    line, loss = as_plotly(CHART).data
    assert (list(line.x), list(line.y)) == (CURVE.x, CURVE.y)
    assert list(line.error_y.array) == [1.5, 1.0, 1.0]
    assert list(line.error_y.arrayminus) == [1.0, 0.5, 3.0]
    assert (line.mode, loss.mode) == ("lines+markers", "lines")
    layout = as_plotly(CHART).layout
    assert layout.xaxis.ticktext == ("0", "0.1", "1")
    assert layout.yaxis2.type == "log"


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    folder = tmp_path_factory.mktemp("figures")
    save_chart(folder, "fig", CHART)
    return folder


def test_it_is_saved_for_print_and_for_a_page(saved):
    names = {path.name for path in saved.iterdir()}
    assert names == {"fig.pdf", "fig.png", "fig.json", "fig.html", LIBRARY}
    assert (saved / "fig.pdf").read_bytes().startswith(b"%PDF")
    assert (saved / "fig.png").read_bytes().startswith(b"\x89PNG")
    assert [trace["name"] for trace in json.loads((saved / "fig.json").read_text())["data"]] == [
        "L1",
        "task",
    ]


def test_the_page_fetches_only_what_lies_beside_it(saved):
    html = (saved / "fig.html").read_text()
    assert re.findall(r'<(?:script|link|img)[^>]*(?:src|href)="([^"]+)"', html) == [LIBRARY]


def test_the_same_chart_gives_the_same_bytes(saved, tmp_path):
    save_chart(tmp_path, "fig", CHART)
    for name in ("fig.pdf", "fig.png", "fig.json"):
        assert (tmp_path / name).read_bytes() == (saved / name).read_bytes()
