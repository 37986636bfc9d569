from __future__ import annotations

import dataclasses
import math
from pathlib import Path
from typing import Any

import matplotlib.figure
import pytest
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from segedu.training import LiveCurves, Progress, TensorBoard, TerminalBar, read_log, train
from segedu.training.log import Log
from tests.training.toy import TOY

SHORT = dataclasses.replace(TOY, steps=6, evaluate_every=3, checkpoint_every=2)


class Shown:
    """What IPython's display gives in a notebook."""

    def __init__(self) -> None:
        self.updates: list[Any] = []

    def update(self, figure: Any) -> None:
        self.updates.append(figure)


def test_curves_are_drawn_while_the_run_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shown = Shown()
    monkeypatch.setattr("IPython.display.display", lambda figure, display_id: shown)
    curves = LiveCurves(seconds=0)
    train(SHORT, tmp_path, device="cpu", callbacks=[curves])
    assert len(shown.updates) == 6  # at every step, as no time must pass
    assert isinstance(shown.updates[-1], matplotlib.figure.Figure)
    log = read_log(tmp_path)
    loss, smooth = (line.get_xydata() for line in curves.loss_axes.lines)
    assert loss.tolist() == [[e["step"], e["loss"]] for e in log]
    assert abs(smooth[-1, 1] - loss[0, 1]) < abs(loss[:, 1] - loss[0, 1]).max() + 1e-9
    (score,) = (line.get_xydata() for line in curves.score_axes.lines)
    assert score.tolist() == [[e["step"], e["scores"]["miou"]] for e in log if e["scores"]]


def test_curves_are_not_drawn_too_often(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shown = Shown()
    monkeypatch.setattr("IPython.display.display", lambda figure, display_id: shown)
    train(SHORT, tmp_path, device="cpu", callbacks=[LiveCurves(seconds=1000)])
    assert len(shown.updates) == 1  # the last step always


def test_tensorboard_has_every_step_once_also_after_a_kill(tmp_path: Path) -> None:
    def stop(progress: Progress) -> None:
        if progress.step == 3:
            raise RuntimeError("killed")

    with pytest.raises(RuntimeError, match="killed"):
        train(SHORT, tmp_path, device="cpu", callbacks=[TensorBoard(tmp_path), stop])
    train(SHORT, tmp_path, device="cpu", callbacks=[board := TensorBoard(tmp_path)])
    board.writer.close()
    events = EventAccumulator(str(tmp_path / "tensorboard"))
    events.Reload()
    scalars = events.Scalars("train/loss")
    assert [event.step for event in scalars] == [1, 2, 3, 4, 5, 6]
    assert [e.value for e in scalars] == pytest.approx([e["loss"] for e in read_log(tmp_path)])
    assert [event.step for event in events.Scalars("validation/miou")] == [3, 6]


def test_the_bar(capsys: pytest.CaptureFixture[str]) -> None:
    with TerminalBar() as bar:
        bar(Progress(3, 10, 0.5, 0.1, 1.0))
        bar(Progress(4, 10, 0.25, 0.1, 1.0, {"miou": 0.625}))
    printed = capsys.readouterr().out
    assert "step 4: loss 0.2500 miou 0.6250" in printed
    with TerminalBar(visible=False) as bar:
        bar(Progress(3, 10, 0.5, 0.1, 1.0, {"miou": math.nan}))


def test_the_log_is_json_also_with_absent_classes(tmp_path: Path) -> None:
    log = Log(tmp_path, 0)
    log(Progress(1, 2, 0.5, 0.1, math.inf, {"miou": 0.5, "iou/bus": math.nan}))
    (entry,) = read_log(tmp_path)
    assert entry["scores"] == {"miou": 0.5, "iou/bus": None}
    assert entry["gradient_norm"] is None
    assert "NaN" not in (tmp_path / "log.jsonl").read_text()
