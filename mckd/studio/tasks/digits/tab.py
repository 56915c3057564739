"""The Digits tab: draw a digit, say it, or both, and watch what the model makes of it."""

from __future__ import annotations

from typing import Any

import gradio as gr

from mckd.digits.about import ABOUT
from mckd.studio.tasks import Drop, Tab
from mckd.studio.tasks.digits.service import DigitService, Inputs
from mckd.studio.tasks.digits.widgets.examples import examples
from mckd.studio.tasks.digits.widgets.pad import pad
from mckd.studio.tasks.digits.widgets.verdict import verdict
from mckd.studio.tasks.digits.widgets.voice import voice

# Answers take milliseconds: no queue, no spinner, and while one is on its way only the newest
# input waits.
AT_ONCE: dict[str, Any] = {
    "queue": False,
    "show_progress": "hidden",
    "trigger_mode": "always_last",
    "api_visibility": "private",
}
BOTH_ON = "() => [true, true]"  # runs in the browser


def build(digits: DigitService) -> None:
    """The tab inside the current `gr.Tabs`."""
    with gr.Tab(ABOUT.name, id=ABOUT.key):
        lay_out(digits)


def lay_out(digits: DigitService) -> None:
    def on_draw(inputs: Inputs, picture: Any, picture_on: bool, voice_on: bool) -> dict[str, Any]:
        digits.draw(inputs, picture)
        return digits.answer(inputs, picture_on, voice_on)

    def on_speak(inputs: Inputs, sound: Any, picture_on: bool, voice_on: bool) -> dict[str, Any]:
        digits.speak(inputs, sound)
        return digits.answer(inputs, picture_on, voice_on)

    def on_toggle(inputs: Inputs, picture_on: bool, voice_on: bool) -> dict[str, Any]:
        return digits.answer(inputs, picture_on, voice_on)

    def read(ticket: str) -> dict[str, Any]:
        return digits.read_sound(ticket)

    def sound(name: str) -> str:
        return digits.example_sound(name)

    inputs = gr.State(Inputs(), delete_callback=digits.close)  # each visitor gets a fresh one
    chosen = examples(digits.examples(), sound, elem_id="digit-examples")
    with gr.Row(elem_id="digits", equal_height=False):
        with gr.Column(elem_classes="mk-inputs", min_width=300):
            with gr.Column(elem_classes="mk-card", elem_id="picture-card"):
                picture_on = gr.Checkbox(
                    True, label="Picture present", elem_classes="mk-switch", elem_id="picture-on"
                )
                drawing = pad(elem_id="pad")
            with gr.Column(elem_classes="mk-card", elem_id="voice-card"):
                voice_on = gr.Checkbox(
                    True, label="Voice present", elem_classes="mk-switch", elem_id="voice-on"
                )
                recording = voice(read, elem_id="voice")
        with gr.Column(elem_classes="mk-card mk-result", min_width=320):
            result = verdict(elem_id="verdict")

    switches = [picture_on, voice_on]
    drawing.input(on_draw, [inputs, drawing, *switches], result, **AT_ONCE)
    recording.input(on_speak, [inputs, recording, *switches], result, **AT_ONCE)
    for event in (picture_on.change, voice_on.change, result.again):
        event(on_toggle, [inputs, *switches], result, **AT_ONCE)
    chosen.select(None, None, switches, js=BOTH_ON, api_visibility="private")


SOUNDS = r"^audio/|\.(wav|wave|aiff?|mp3|m4a|aac|ogg|oga|opus|flac|webm)$"
PICTURES = r"^image/|\.(png|jpe?g|webp|gif|bmp|avif)$"
TAB = Tab(
    build,
    large=frozenset({"pad", "voice"}),
    drop=Drop(
        ABOUT.name,
        "Drop a picture or a sound of a digit",
        "An MRI case (NIfTI files, a folder or a ZIP archive) opens under Brain tumours.",
        files={"mckd:sound": SOUNDS, "mckd:picture": PICTURES},
    ),
)
