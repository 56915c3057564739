"""`--tensorboard` of a run that was resumed: every step once."""

from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from train.tensorboard import Board


def test_a_resumed_run_shows_every_step_once(tmp_path):
    def rows(steps, loss):
        return [{"step": s, "loss": loss, "iwv": {"visual": loss}} for s in steps]

    for part in (rows((2, 4, 6, 8), 1.0), rows((6, 8, 10), 2.0)):  # killed at 8, resumed from 4
        board = Board(tmp_path)
        for row in part:
            board(row)
    seen = EventAccumulator(str(tmp_path)).Reload()
    for tag in ("loss", "iwv/visual"):
        shown = [(e.step, e.value) for e in seen.Scalars(tag)]
        assert shown == [(2, 1.0), (4, 1.0), (6, 2.0), (8, 2.0), (10, 2.0)]
