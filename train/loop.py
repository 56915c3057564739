"""The training loop around any task and any system, resumable to the bit."""

from __future__ import annotations

import dataclasses
import math
import os
import signal
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from functools import partial
from typing import Any

import torch

from mckd.files.faults import in_words
from mckd.files.runs import MODEL, RunError, RunFolder
from mckd.method import Batch, sample_presence
from mckd.precision import in_bfloat16
from mckd.progress import clock
from mckd.systems import Moment, System, Trainer, system_class
from train.ahead import Ahead, Means
from train.features import describe
from train.resume import check_start, load_newest, versions
from train.settings import SettingsError, TrainSettings
from train.state import TrainingState, make_optimizer
from train.task import Task, generator
from train.workers import Workers

RECORDS_PER_EPOCH = 4
FEATURE_BATCHES = 3
SCORES_SHOWN = 4
MOST_TEST_SCORES = 16  # in a sentence; the checkpoint has all
CHECKPOINT_SECONDS = float(os.environ.get("MCKD_CHECKPOINT_SECONDS", "30"))
_NETWORK_STREAM, _DROP_STREAM = 101, 102


def train(
    task: Task,
    settings: TrainSettings,
    run: RunFolder,
    workers: Workers,
    *,
    name: str,
    preset: str,
    command: str,
    resume: bool = False,
    say: Callable[[str], None] = print,
    observers: Sequence[Callable[[dict[str, Any]], None]] = (),
) -> str:
    """Train until the end or until asked to stop (SIGTERM, Ctrl-C). Returns the final state.

    Raises:
        RunError: the run is being trained elsewhere, or exists and `resume` is not given, or was
            started with other settings or another number of processes, or has checkpoints of which
            none can be used, or its folder cannot be written to.
        SettingsError: a batch that the processes cannot share out evenly.
    """
    if settings.batch_size % workers.world:
        raise SettingsError(
            f"--batch-size {settings.batch_size} cannot be shared out to {workers.world} processes "
            "evenly, and unequal shares would not count alike. Give a multiple of "
            f"{workers.world}, or start fewer processes."
        )
    with run.hold() if workers.is_first else nullcontext():
        config = {
            "task": name,
            "preset": preset,
            "command": command,
            "modalities": list(task.parts.modalities),
            "config": dataclasses.asdict(settings),
            "processes": workers.world,
            "versions": versions(),
            "provenance": task.provenance,
        }
        longer = workers.is_first and check_start(run, config, resume)
        session = _Session(task, settings, run, workers, name, say, observers)
        try:
            if workers.is_first and (longer or not resume):
                run.write_config(config)
            return session.run_to_end(resume)
        except OSError as error:
            sentence = in_words(error, run.path, "go on with --resume")
            session.fail(sentence)
            raise RunError(sentence) from error
        except Exception as error:
            session.fail(str(error))
            raise


def lr_factor(settings: TrainSettings, step: int, steps: int, steps_per_epoch: int) -> float:
    """The learning rate at `step` as a share of `settings.lr`."""
    rise = int(settings.lr_warmup * steps)
    if step < rise:
        return (step + 1) / (rise + 1)
    progress = (step - rise) / max(1, steps - rise)
    if settings.schedule == "step":
        return 0.9 ** (step // steps_per_epoch // 20)
    if settings.schedule == "cosine":
        return 0.5 * (1 + math.cos(math.pi * progress))
    if settings.schedule == "poly":
        return (1 - progress) ** 0.9
    return 1.0


class _Session:
    """One process's work on one run, from start or resume to the end."""

    def __init__(
        self,
        task: Task,
        settings: TrainSettings,
        run: RunFolder,
        workers: Workers,
        name: str,
        say: Callable[[str], None],
        observers: Sequence[Callable[[dict[str, Any]], None]],
    ) -> None:
        self.task, self.settings, self.run, self.workers = task, settings, run, workers
        self.name, self.say, self.observers = name, say, observers
        self.steps = settings.epochs * task.steps_per_epoch
        torch.manual_seed(settings.seed)
        self.state = TrainingState(self._system(), settings.ema)
        if task.start is not None:
            self.state.start_from(task.start)
        self.since_record = Means()
        self.batches = Ahead(
            lambda step: task.training_batch(step, workers.rank, workers.world), settings.loaders
        )
        self.stop_asked = False
        self.started = time.monotonic()
        self.first_step = 0
        self.seconds_before = 0.0
        self.last_record_s = 0.0
        self.saved_step = 0
        self.uncounted = 0  # steps since the last record that another session made
        self.note = ""  # for the reader of the status, as long as the session runs

    def run_to_end(self, resume: bool) -> str:
        if resume:
            self._resume()
        previous = {s: signal.signal(s, self._ask_stop) for s in (signal.SIGTERM, signal.SIGINT)}
        try:
            return self._loop()
        finally:
            for which, handler in previous.items():
                signal.signal(which, handler)

    def _loop(self) -> str:
        state, task, settings = self.state, self.task, self.settings
        record_every = max(1, task.steps_per_epoch // RECORDS_PER_EPOCH)
        validate_every = settings.validate_every * task.steps_per_epoch
        since_record = self.since_record
        last_saved = time.monotonic()
        self.report("running", message=self.note)

        while state.step < self.steps:
            step = state.step
            lr = settings.lr * lr_factor(settings, step, self.steps, task.steps_per_epoch)
            state.system.set_lr(lr)
            batch = self._training_batch(step)
            since_record.add(**state.system.step(Moment(step, lr, batch, self._meta_batch)))
            state.step += 1
            state.update_average(settings.ema)

            at_end = state.step == self.steps
            validating = state.step % validate_every == 0 or at_end
            if state.step % record_every == 0 or validating:
                samples = settings.batch_size * (since_record.count("loss") - self.uncounted)
                self.uncounted = 0
                self._record(since_record.take(), lr, samples, validating)
            stopping = self.workers.any(self.stop_asked)
            if stopping or at_end or time.monotonic() - last_saved > CHECKPOINT_SECONDS:
                self._save()
                last_saved = time.monotonic()
            if stopping and not at_end:
                self.report("stopped", message="Stopped on request; --resume goes on from here.")
                return "stopped"

        self._finish()
        return "finished"

    def report(self, state: str, message: str) -> None:
        """Write status.json and tell the time left."""
        if self.workers.is_first:
            left = self._seconds_left() if state == "running" else None
            self.run.write_status(**self._status(state, message), eta_s=left)

    def fail(self, message: str) -> None:
        """Say in status.json why the run ends, if anything can be written there."""
        if self.workers.is_first:
            self.run.write_last_status(**self._status("failed", message), eta_s=None)

    def _status(self, state: str, message: str) -> dict[str, Any]:
        return {
            "state": state,
            "step": self.state.step,
            "steps": self.steps,
            "message": message,
            "checkpoint": self.saved_step,
            "pid": os.getpid(),
        }

    def _seconds_left(self) -> float | None:
        """At the pace since the start or resume; None before the first step."""
        done = self.state.step - self.first_step
        if not done:
            return None
        return (time.monotonic() - self.started) / done * (self.steps - self.state.step)

    def _training_batch(self, step: int) -> Batch:
        """The step's batch with modalities dropped; also seeds what the step draws (dropout)."""
        settings, rank = self.settings, self.workers.rank
        seed = generator(settings.seed, _NETWORK_STREAM, step, rank).initial_seed()
        _seed_draws(seed, self.workers.device)
        batch = self.batches.get(step)
        dropping = self.state.system.drops and settings.drop != "never"
        if dropping and step >= settings.warmup_steps:
            drawn = generator(settings.seed, _DROP_STREAM, step, rank)
            present = sample_presence(batch.present, drawn, settings.drop)
            batch = dataclasses.replace(batch, present=present, available=batch.present)
        return batch.to(self.workers.device)

    def _meta_batch(self, number: int) -> Batch:
        """One of the meta-validation part."""
        workers = self.workers
        return self.task.meta_batch(number, workers.rank, workers.world).to(workers.device)

    def _system(self) -> System:
        """The run's system, built from the task's parts."""
        settings, kind = self.settings, system_class(self.settings.system)
        trainer = Trainer(
            task_loss=partial(self.task.loss, twice=kind.twice(settings.method)),
            optimizer=partial(make_optimizer, settings=settings),
            device=self.workers.device,
            accumulate=settings.accumulate,
            autocast=self._autocast,
            synchronise=self._finish_gradients,
            average=self.workers.average,
            complete=self._complete,
        )
        return kind(self.task.parts, settings.method, trainer)

    def _complete(self) -> Batch:
        """The samples of an epoch that have every modality."""
        task = self.task
        batches = [task.training_batch(n, 0, 1) for n in range(task.steps_per_epoch)]
        kept = [(batch, batch.present.all(1)) for batch in batches]
        if not any(rows.any() for _, rows in kept):
            raise ValueError(
                f"No training sample has all of {', '.join(task.parts.modalities)}, and "
                f"{self.settings.system} learns from those that do. Raise the rate."
            )
        return Batch(
            tuple(
                torch.cat([batch.inputs[m][rows] for batch, rows in kept])
                for m in range(len(task.parts.modalities))
            ),
            torch.cat([batch.present[rows] for batch, rows in kept]),
            torch.cat([batch.target[rows] for batch, rows in kept]),
        ).to(self.workers.device)

    def _autocast(self) -> AbstractContextManager[object]:
        return in_bfloat16(self.workers.device, self.settings.bf16)

    def _finish_gradients(self, gradients: Sequence[torch.Tensor]) -> None:
        """Average over the processes, then shorten to `clip_norm`."""
        self.workers.average(gradients)
        if self.settings.clip_norm:
            norm = torch.linalg.vector_norm(torch.stack([g.norm() for g in gradients]))
            scale = (self.settings.clip_norm / (norm + 1e-6)).clamp(max=1.0)
            for g in gradients:
                g.mul_(scale)

    def _record(self, means: dict[str, float], lr: float, samples: int, validating: bool) -> None:
        if not self.workers.is_first:
            return
        state = self.state
        elapsed = time.monotonic() - self.started
        row: dict[str, Any] = {
            "step": state.step,
            "epoch": round(state.step / self.task.steps_per_epoch, 3),
            "time_s": round(self.seconds_before + elapsed, 3),
            **means,
            **({"iwv": weights} if (weights := state.system.weights()) else {}),
            "lr": lr,
            "samples_per_s": round(samples / max(1e-6, elapsed - self.last_record_s), 1),
        }
        if validating:
            row["validation"] = self.task.validate(state.final)
            batches = [self.task.meta_batch(k, 0, 1) for k in range(FEATURE_BATCHES)]
            row.update(describe(state.final, batches, self._autocast))
            self.say(self._line(row))
        self.last_record_s = time.monotonic() - self.started
        self.run.append(row)
        for observe in self.observers:
            observe(row)
        self.report("running", message=self.note)

    def _line(self, row: dict[str, Any]) -> str:
        left = self._seconds_left() or 0.0
        scores = _told(row["validation"], SCORES_SHOWN)
        weights = "  ".join(f"{k} {v:.3f}" for k, v in row.get("iwv", {}).items())
        told = f"  IWV: {weights}" if weights else ""
        return (
            f"epoch {row['epoch']:g}/{self.settings.epochs}  loss {row['loss']:.4f}  "
            f"validation: {scores}{told}  "
            f"{row['samples_per_s']:.0f} samples/s  {clock(left)} left"
        )

    def _save(self) -> None:
        if self.workers.is_first:
            step = self.state.step
            self.state.save(
                self.run.checkpoint_path(step), {"since_record": self.since_record.values}
            )
            self.run.keep_newest_checkpoints(last=step)
            self.saved_step = step

    def _resume(self) -> None:
        """Go back to the newest checkpoint that can be used; every process finds the same."""
        self.saved_step = int(self.run.status().get("checkpoint") or 0)
        since_record, self.note = load_newest(self.state, self.run, self.saved_step)
        self.since_record.values = since_record
        self.uncounted = self.since_record.count("loss")
        step = self.state.step
        if self.workers.any(step != self.workers.of_first(step)):
            raise RunError(
                f"The processes do not see the same files in {self.run.name}. Give all of them "
                "one folder, on a disk that they share."
            )
        self.saved_step = step
        if self.workers.is_first:
            if self.note:
                print(self.note, file=sys.stderr)
            self.run.rewind(step)
        rows, _ = self.run.records()
        time_s = rows[-1].get("time_s") if rows else None
        self.seconds_before = float(time_s) if isinstance(time_s, (int, float)) else 0.0
        self.first_step = step

    def _finish(self) -> None:
        if not self.workers.is_first:
            return
        metrics = {
            "validation": self.task.validate(self.state.final),
            "test": self.task.test(self.state.final),
        }
        header = {
            "task": self.name,
            **self.task.header,
            "modalities": list(self.state.network.modalities),
            "system": self.settings.system,
            "weights": self.state.system.weights(),
            "settings": dataclasses.asdict(self.settings),
            "metrics": metrics,
            "provenance": self.task.provenance,
            "versions": versions(),
        }
        self.state.save_model(self.run.checkpoints / MODEL, header, self.task.keeps)
        scores = _told(metrics["test"], MOST_TEST_SCORES)
        self.report("finished", message=f"Test: {scores}")
        self.say(f"Finished. Test: {scores}")

    def _ask_stop(self, *_: object) -> None:
        self.stop_asked = True


def _told(scores: Mapping[str, float], most: int) -> str:
    """The first scores in a line, as people read their names."""
    shown = list(scores.items())[:most]
    return "  ".join(f"{name.replace('_', ' ')} {score:.4f}" for name, score in shown)


def _seed_draws(seed: int, device: torch.device) -> None:
    """What is drawn on the CPU and on `device` from here on, as `torch.manual_seed` would have it.

    That one keeps a stack trace of each call for every kind of device that is not in use.
    """
    torch.default_generator.manual_seed(seed)
    if device.type == "cuda":
        torch.cuda.manual_seed(seed)
