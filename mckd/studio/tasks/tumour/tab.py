"""The tumour task's two tabs, which share the case that a visitor has open, and the guided tour."""

from __future__ import annotations

import gradio as gr

from mckd.studio.tasks import Drop, Tab
from mckd.studio.tasks.tumour import case_tab, compare_tab, follow_tab
from mckd.studio.tasks.tumour.service import TumourService
from mckd.studio.tasks.tumour.widgets.guide import guide
from mckd.tumour.about import ABOUT
from mckd.tumour.naming import SEQUENCE_NAMES


def build(tumour: TumourService) -> None:
    """The tabs inside the current `gr.Tabs`."""
    with gr.Tab(ABOUT.name, id=ABOUT.key):
        desk = case_tab.build(tumour.cases, tumour.solid)
        follow_tab.build(tumour, desk)
    with gr.Tab("Compare", id="compare"):
        compare_tab.build(tumour, desk)


def above() -> None:
    """The tour, beside whatever tab it is about."""
    guide(SEQUENCE_NAMES, elem_id="guide")


TAB = Tab(
    build,
    above,
    drop=Drop(
        ABOUT.name,
        "Drop to open a case",
        "DICOM or NIfTI files, a folder, or a ZIP archive. Nothing is sent before you say so.",
        entries="mckd:drop",
    ),
)
