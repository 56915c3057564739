"""The Training tab: start, queue, stop, resume, extend and clone runs, watch them live, replay
them, compare them, take their records home.

Handlers are plain functions over `Training` (mckd/studio/services/training.py); `build` lays the
tab out and wires them. What a browser sends is looked up, never trusted.
"""

from __future__ import annotations

import html
from dataclasses import fields, replace
from functools import partial
from typing import Any

import gradio as gr

from mckd.studio.services import overview
from mckd.studio.services.command import COMPLETE, GIVEN_FOLDER, SMALL_SET, Choices, offered
from mckd.studio.services.records import MAX_POINTS
from mckd.studio.services.training import Training
from mckd.studio.tabs import click_on
from mckd.studio.widgets.curves import curves, point_at
from mckd.tasks import TASKS, About, about, abouts

FIRST = abouts()[0]
NOTHING_FURTHER = ("The preset alone", "")
MOST_OVER = 3  # runs over the one that is shown: a kind of stroke each


# --- Handlers -------------------------------------------------------------------------------------


def explain_preset(task_key: str, preset: str) -> Any:
    """Put the sentence on what the preset costs under its name."""
    task = _task(task_key)
    return gr.Radio(info=next((c.note for c in task.presets if c.key == preset), ""))


def explain_system(task_key: str, system: str) -> Any:
    """Put the sentence on what the system is under its name."""
    known = offered(_task(task_key))
    return gr.Radio(info=next((c.note for c in known if c.key == system), ""))


def show_command(training: Training, *form: Any) -> str:
    """The shell line for the form as it stands, or what is wrong with it."""
    try:
        return training.command(Choices(*form))
    except ValueError as problem:
        return f"# {problem}"


def choose_task(training: Training, task_key: str, told: Choices | None = None) -> tuple[Any, ...]:
    """The presets, rare modalities, rates, data and systems of another task, and no further
    options; or these parts of the form as they are told."""
    task = _task(task_key)
    first = Choices(task.key, system=offered(task)[0].key, preset=task.presets[0].key)
    if task.scarce:
        first = replace(first, scarce=task.scarce[0].key, rate=task.rate or 0.0)
    form = told or replace(first, data=GIVEN_FOLDER if training.data else SMALL_SET)
    rare: tuple[Any, Any] = gr.Radio(visible=False), gr.Radio(visible=False)
    if task.scarce:  # else its samples have what they have
        rare = (
            gr.Radio(choices=_scarce(task), value=form.scarce, visible=True),
            gr.Radio(choices=_rates(task), value=form.rate, visible=True),
        )
    likes = [NOTHING_FURTHER, *([(form.like, form.like)] if form.like else [])]
    return (
        gr.Radio(choices=_pairs(task.presets), value=form.preset),
        *rare,
        gr.Radio(choices=_sources(training, task), value=form.data),
        gr.Radio(choices=_pairs(offered(task)), value=form.system),
        gr.Dropdown(choices=likes, value=form.like, visible=bool(form.like)),
    )


def choose_scarce(scarce: str) -> Any:
    """The rate has no meaning where nothing is missing."""
    return gr.Radio(interactive=scarce != COMPLETE)


def start_run(training: Training, run_id: str | None, *form: Any) -> tuple[Any, ...]:
    """Launch the run of the form and show it, or let it wait; `run_id` is shown so far."""
    try:
        begun = training.start(Choices(*form))
    except ValueError as problem:
        gr.Warning(str(problem), title="Not started")
        return (gr.skip(), *show_run(training, run_id or training.attach()))
    return (training.command(Choices(*form), begun), *begun_or_waits(training, run_id, begun))


def begun_or_waits(training: Training, run_id: str | None, begun: str | None) -> tuple[Any, ...]:
    """Show the run that began; where none did, say that it waits and leave the curves alone."""
    if begun is not None:
        return show_run(training, begun)
    before = len(training.queue.all())
    gr.Info(f"It waits for its turn: number {before} in the queue.", title="Added to the queue")
    return (gr.skip(), *refresh(training, run_id))


def extend_run(training: Training, run_id: str | None, more: Any) -> tuple[Any, ...]:
    """Let a finished run go on for more epochs, now or when it is its turn."""
    try:
        begun = training.extend(run_id, more)
    except ValueError as problem:
        gr.Warning(str(problem), title="Not extended")
        return (gr.skip(), *refresh(training, run_id))
    return begun_or_waits(training, run_id, begun)


def check_data(training: Training, *form: Any) -> Any:
    """What the chosen data hold, or why they cannot be trained on."""
    try:
        said, kind = training.check(Choices(*form)), "usable"
    except ValueError as problem:
        said, kind = str(problem), "problem"
    lines = "".join(f"<li>{html.escape(line)}</li>" for line in said.splitlines())
    return gr.HTML(f"<ul class='mckd-check' data-kind='{kind}'>{lines}</ul>", visible=True)


def clone_run(training: Training, run_id: str | None) -> tuple[Any, ...]:
    """Fill the form as for that run; one value for each of its parts."""
    try:
        choices = training.clone(run_id)
    except ValueError as problem:
        gr.Warning(str(problem), title="Not cloned")
        return (gr.skip(),) * len(fields(Choices))
    preset, scarce, rate, data, system, like = choose_task(training, choices.task, choices)
    return (choices.task, preset, scarce, rate, choices.seed, choices.epochs, data, system, like)


def move(training: Training, by: int, key: str | None) -> Any:
    """Let one that waits have its turn earlier or later."""
    training.queue.move(key, by)
    return waiting_of(training, key)


def remove(training: Training, key: str | None) -> Any:
    """One that waits is not to be begun."""
    training.queue.remove(key)
    return waiting_of(training)


def waiting_of(training: Training, key: str | None = None) -> Any:
    """Whoever waits, the next one first. key: of the one that is chosen."""
    waiting = training.queue.all()
    keys = [one.key for one in waiting]
    return gr.Radio(
        choices=[(f"{k}. {one.label}", one.key) for k, one in enumerate(waiting, 1)],
        value=key if key in keys else next(iter(keys), None),
        visible=bool(waiting),
    )


def stop_run(training: Training, run_id: str | None) -> Any:
    """Ask the run to save a checkpoint and end; the curves tell when it has."""
    try:
        training.stop(run_id)
    except ValueError as problem:
        gr.Warning(str(problem), title="Not stopped")
        return gr.skip()
    return gr.Button("Stopping\u2026", interactive=False)


def resume_run(training: Training, run_id: str | None) -> tuple[Any, ...]:
    """Go on from the run's last checkpoint."""
    try:
        training.resume(run_id)
    except ValueError as problem:
        gr.Warning(str(problem), title="Not resumed")
    return show_run(training, run_id)


def attach(training: Training) -> tuple[Any, ...]:
    """The live run, else the last, else the bundled one: for a page that opens, and for one that
    hears of a run started in a shell or in another browser."""
    return show_run(training, training.attach())


def show_run(training: Training, run_id: str | None) -> tuple[Any, ...]:
    """Point the curves at a run alone and refresh what stands around them."""
    *around, _ = refresh(training, run_id)
    others = gr.Dropdown(choices=_others(training, run_id), value=[], multiselect=True)
    return (point_at(run_id), *around, others)


def lay_over(run_id: str | None, others: Any) -> dict[str, Any]:
    """Draw other runs over the one that is shown."""
    return point_at(run_id, others[:MOST_OVER] if isinstance(others, list) else ())


def refresh(training: Training, run_id: str | None) -> tuple[Any, ...]:
    """Run list, buttons and facts of a run; the curves look after themselves."""
    runs = [(run.label, run.id) for run in training.runs()]
    known = training.find(run_id) is not None
    state = training.state(run_id)
    live, waits = training.live(), bool(training.queue.all())
    return (
        gr.Dropdown(choices=runs, value=run_id if known else None),
        gr.Button("Add to queue" if live or waits else "Start", interactive=not training.closed),
        gr.Button("Stop", interactive=state["can_stop"]),
        gr.Button(interactive=live is None and state["can_resume"]),
        gr.Button(interactive=state["can_extend"]),
        gr.Button(interactive=known and not training.closed),
        waiting_of(training),
        *(gr.Button(visible=waits) for _ in range(3)),
        gr.Button(interactive=known),
        gr.Button(interactive=known),
        facts_table(training.facts(run_id)),
        gr.Dropdown(choices=_others(training, run_id)),
    )


def export(training: Training, kind: str, run_id: str | None) -> str | None:
    """Write the records as they are at this moment, for the browser to fetch."""
    try:
        return str(training.export(run_id, kind))
    except (ValueError, OSError) as problem:
        gr.Warning(str(problem), title="No download")
        return None


def facts_table(facts: list[tuple[str, str]]) -> str:
    """Escaped rows: everything in a run folder is text here, whoever wrote it."""
    if not facts:
        return "<p>No run is chosen.</p>"
    rows = "".join(
        f"<tr><th scope='row'>{html.escape(name)}</th><td>{html.escape(value)}</td></tr>"
        for name, value in facts
    )
    return f"<table class='mckd-facts'><tbody>{rows}</tbody></table>"


# --- Layout and wiring ----------------------------------------------------------------------------


def build(services: Any) -> None:
    """Lay the tab out inside the current `gr.Blocks` and wire it to `services.training`."""
    training: Training = services.training
    open_here, systems = not training.closed, offered(FIRST)

    with gr.Row(elem_id="training", equal_height=False):
        with gr.Column(scale=4, min_width=320, elem_classes="mk-card"):
            if training.closed:
                gr.Markdown(training.closed, elem_id="training-closed")
            task = gr.Radio(_pairs(abouts()), value=FIRST.key, label="Task", visible=len(TASKS) > 1)
            preset = gr.Radio(
                _pairs(FIRST.presets),
                value=FIRST.presets[0].key,
                label="Preset",
                info=FIRST.presets[0].note,
                interactive=open_here,
                elem_id="training-preset",
            )
            system = gr.Radio(
                _pairs(systems),
                value=systems[0].key,
                label="System",
                info=systems[0].note,
                interactive=open_here,
                elem_id="training-system",
            )
            scarce = gr.Radio(
                _scarce(FIRST),
                value=_scarce(FIRST)[0][1],
                label="What is missing in training",
                visible=bool(FIRST.scarce),
                interactive=open_here,
                elem_id="training-scarce",
            )
            rate = gr.Radio(
                _rates(FIRST),
                value=FIRST.rate,
                label="Examples that still have it",
                visible=bool(FIRST.scarce),
                interactive=open_here,
                elem_id="training-rate",
            )
            with gr.Row():
                seed = gr.Number(
                    0,
                    label="Seed",
                    precision=0,
                    minimum=0,
                    min_width=120,
                    interactive=open_here,
                    elem_id="training-seed",
                )
                epochs = gr.Number(
                    0,
                    label="Epochs (0: preset's)",
                    precision=0,
                    minimum=0,
                    min_width=120,
                    interactive=open_here,
                    elem_id="training-epochs",
                )
            data = gr.Radio(
                _sources(training, FIRST),
                value=GIVEN_FOLDER if training.data else SMALL_SET,
                label="Data",
                interactive=open_here,
                elem_id="training-data",
            )
            check = gr.Button(
                "Check these data", size="sm", interactive=open_here, elem_id="training-check"
            )
            checked = gr.HTML(visible=False, apply_default_css=False, elem_id="training-checked")
            like = gr.Dropdown(
                [NOTHING_FURTHER],
                value="",
                label="Further options as in",
                visible=False,
                interactive=open_here,
                filterable=False,
                elem_id="training-like",
            )
            form: list[Any] = [task, preset, scarce, rate, seed, epochs, data, system, like]
            with gr.Row(elem_id="training-buttons"):
                start = gr.Button(
                    "Start",
                    variant="primary",
                    interactive=open_here,
                    min_width=90,
                    elem_id="training-start",
                )
                stop = gr.Button(
                    "Stop",
                    variant="stop",
                    interactive=False,
                    min_width=90,
                    elem_id="training-stop",
                )
                resume = gr.Button(
                    "Resume", interactive=False, min_width=90, elem_id="training-resume"
                )
            waiting = gr.Radio(
                [], label="Queue", visible=False, interactive=open_here, elem_id="training-queue"
            )
            with gr.Row(elem_id="training-order"):
                order = [
                    gr.Button(word, size="sm", min_width=80, visible=False)
                    for word in ("Earlier", "Later", "Remove")
                ]
            command = gr.Code(
                show_command(training, *(part.value for part in form)),
                language=None,
                label="The same in a shell",
                interactive=False,
                lines=3,
                wrap_lines=True,
                show_line_numbers=False,
                buttons=["copy"],
                elem_id="training-command",
            )
        with gr.Column(scale=8, min_width=340, elem_classes="mk-card"):
            with gr.Row():
                runs = gr.Dropdown([], label="Run", elem_id="training-run", filterable=False)
                over = gr.Dropdown(
                    [],
                    multiselect=True,
                    max_choices=MOST_OVER,
                    label="Over it, to compare",
                    elem_id="training-over",
                    filterable=False,
                )
            shown = _curves(training)
            with gr.Row(elem_id="training-again", equal_height=True):
                more = gr.Number(
                    10,
                    label="More epochs",
                    precision=0,
                    minimum=1,
                    min_width=110,
                    scale=0,
                    interactive=open_here,
                    elem_id="training-more",
                )
                extend = gr.Button(
                    "Extend this run", size="sm", interactive=False, min_width=140,
                    elem_id="training-extend",
                )  # fmt: skip
                clone = gr.Button(
                    "Clone into the form", size="sm", interactive=False, min_width=160,
                    elem_id="training-clone",
                )  # fmt: skip
            with gr.Row():
                to_csv = gr.Button("Download CSV", size="sm", min_width=120)
                to_jsonl = gr.Button("Download JSONL", size="sm", min_width=120)
            csv_file = gr.DownloadButton(visible="hidden", elem_id="training-csv")
            jsonl_file = gr.DownloadButton(visible="hidden", elem_id="training-jsonl")
            with gr.Accordion("Configuration of this run", open=False, elem_id="training-facts"):
                facts = gr.HTML(apply_default_css=False)
            all_runs = gr.Accordion("All runs in a table", open=False, elem_id="training-table")
            with all_runs:
                table = gr.HTML(apply_default_css=False)

    page: Any = gr.context.Context.root_block
    around = [runs, start, stop, resume, extend, clone, waiting, *order]
    around += [to_csv, to_jsonl, facts, over]
    view = [shown, *around]
    quiet: dict[str, Any] = {"show_progress": "hidden", "api_visibility": "private"}
    light: dict[str, Any] = {**quiet, "queue": False}

    task.input(
        partial(choose_task, training), task, [preset, scarce, rate, data, system, like], **light
    )
    gr.on([task.change, preset.change], explain_preset, [task, preset], preset, **light)
    gr.on([task.change, system.change], explain_system, [task, system], system, **light)
    scarce.change(choose_scarce, scarce, rate, **light)
    # One listener for opening and changing: a slow first answer cannot overwrite a later one.
    gr.on(
        [page.load, *(part.change for part in form)], partial(show_command, training), form,
        command, trigger_mode="always_last", **light,
    )  # fmt: skip
    check.click(partial(check_data, training), form, checked, api_visibility="private")
    gr.on([task.change, data.change], lambda: gr.HTML(visible=False), None, checked, **light)
    start.click(partial(start_run, training), [runs, *form], [command, *view], **quiet).success(
        None, None, None, js=LOOK_AT_CURVES
    )
    stop.click(partial(stop_run, training), runs, stop, **quiet)
    resume.click(partial(resume_run, training), runs, view, **quiet)
    extend.click(partial(extend_run, training), [runs, more], view, **quiet)
    clone.click(partial(clone_run, training), runs, form, **quiet)
    for button, handler in zip(
        order,
        (partial(move, training, -1), partial(move, training, +1), partial(remove, training)),
        strict=True,
    ):
        button.click(handler, waiting, waiting, **light).then(
            partial(refresh, training), runs, around, **light
        )
    all_runs.expand(lambda: overview.table(overview.compared(training)), None, table, **quiet)
    runs.input(partial(show_run, training), runs, view, **quiet)
    over.input(lay_over, [runs, over], shown, **quiet)
    shown.settled(partial(refresh, training), runs, around, **quiet)
    shown.appeared(partial(attach, training), None, view, **quiet)
    for button, file, kind in ((to_csv, csv_file, "csv"), (to_jsonl, jsonl_file, "jsonl")):
        button.click(partial(export, training, kind), runs, file, **quiet).success(
            None, None, None, js=click_on(str(file.elem_id))
        )
    page.load(partial(attach, training), None, view, **quiet)


def _curves(training: Training) -> gr.HTML:
    def since(request: Any) -> dict[str, Any]:
        asked = request if isinstance(request, dict) else {}
        return training.since(asked.get("run"), asked.get("cursor"))

    def live(request: Any) -> dict[str, Any]:
        return {"live": training.live()}

    return curves(since, live, MAX_POINTS, elem_id="training-curves")


def _task(key: str) -> About:
    return about(key) if key in TASKS else FIRST


def _others(training: Training, run_id: str | None) -> list[tuple[str, str]]:
    return [(run.label, run.id) for run in training.runs() if run.id != run_id]


def _pairs(choices: Any) -> list[tuple[str, str]]:
    return [(choice.label, choice.key) for choice in choices]


def _scarce(task: About) -> list[tuple[str, str]]:
    return [*_pairs(task.scarce), ("Nothing", COMPLETE)]


def _rates(task: About) -> list[tuple[str, float]]:
    return [(f"{rate:.0%}", rate) for rate in task.rates]


def _sources(training: Training, task: About) -> list[tuple[str, str]]:
    sources = [(f"Bundled: {task.data}", SMALL_SET)]
    for key in training.folders():
        given = training.data if key == GIVEN_FOLDER else None
        sources.append((f"Folder given at start: {given.name}" if given else f"Folder {key}", key))
    return sources


LOOK_AT_CURVES = """() => {
  const curves = document.getElementById("training-curves");
  if (curves && window.innerWidth < 900) curves.scrollIntoView({ behavior: "smooth" });
}"""
