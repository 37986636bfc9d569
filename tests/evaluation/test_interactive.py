"""The benchmark of interactive methods: figures, resumption after a kill, workers, the report."""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

from segedu.cli import app
from segedu.evaluation import Evaluation, EvaluationError, evaluate, interactive, summarize
from segedu.evaluation.report import write_report
from segedu.interactive import RITM, SAM, Prediction, ZoomIn, ritm_hrnet18s
from segedu.weights import methods, official, shipped
from tests.requirements_of_machine import REPOSITORY

OBJECTS = 5
PAINTER = f"{__name__}:Painter"


class Painter:
    """Answers with a disk around each positive click; each answer takes SLOWLY seconds."""

    accepts = frozenset({"click"})

    def set_image(self, image):
        self.shape = image.shape[:2]

    def predict(self, prompts):
        time.sleep(float(os.environ.get("SLOWLY", "0")))
        y, x = np.mgrid[: self.shape[0], : self.shape[1]]
        mask = np.zeros(self.shape, bool)
        for click in prompts.clicks:
            mask |= click.positive & ((y - click.y) ** 2 + (x - click.x) ** 2 < 8**2)
        return Prediction(mask)


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    root = tmp_path_factory.mktemp("davis")
    rng = np.random.default_rng(0)
    for folder in ("img", "gt"):
        (root / folder).mkdir()
    for number in range(OBJECTS):
        image = rng.integers(0, 256, (50, 90, 3), dtype=np.uint8)
        mask = np.zeros((50, 90), np.uint8)
        mask[10:30, 10 : 25 + 12 * number] = 255
        Image.fromarray(image).save(root / f"img/{number}.png")
        Image.fromarray(mask).save(root / f"gt/{number}.png")
    return str(root)


def clicks(records):
    return [(r["index"], r["clicks"], r["ious"], r["mask"]) for r in records]


def test_figures_by_hand():
    evaluation = Evaluation("grabcut", "nowhere", max_clicks=4)
    records = [
        {"ious": [0.5, 0.86, 0.91], "seconds": [1.0, 2.0, 3.0], "set_image_seconds": 0.5},
        {"ious": [0.1, 0.2, 0.3, 0.4], "seconds": [5.0, 5.0, 5.0, 5.0], "set_image_seconds": 1.5},
    ]
    assert summarize(records, evaluation) == {
        "objects": 2,
        "noc85": 3.0,
        "failed85": 1,
        "noc90": 3.5,
        "failed90": 1,
        "mean_iou": [0.3, 0.53, 0.605, 0.655],
        "seconds": 5.0,
        "set_image_seconds": 1.0,
    }


def test_two_workers_measure_what_one_does(data, tmp_path):
    evaluation = Evaluation(PAINTER, data, max_clicks=6)
    alone = evaluate(evaluation, tmp_path / "one")
    assert [len(r["ious"]) for r in alone][-1] == 6, "the longest object is not reached"
    assert clicks(evaluate(evaluation, tmp_path / "two", workers=2)) == clicks(alone)


def test_goes_on_after_a_kill(data, tmp_path):
    """Killed by force between two objects and in the middle of a line, nothing is lost or twice."""
    evaluation = Evaluation(PAINTER, data, max_clicks=6)
    folder = tmp_path / "run"
    path = folder / "results.jsonl"
    code = (
        "from pathlib import Path; from segedu.evaluation import Evaluation, evaluate; "
        f"evaluate(Evaluation({PAINTER!r}, {data!r}, max_clicks=6), Path({str(folder)!r}))"
    )
    environment = {**os.environ, "SLOWLY": "0.2", "PYTHONPATH": str(REPOSITORY)}
    run = subprocess.Popen([sys.executable, "-c", code], env=environment, stderr=subprocess.DEVNULL)
    until = time.monotonic() + 120
    while not path.exists() or path.read_bytes().count(b"\n") < 3:
        assert run.poll() is None and time.monotonic() < until
        time.sleep(0.02)
    run.send_signal(signal.SIGKILL)
    run.wait()
    kept = path.read_bytes()
    kept = kept[: kept.rfind(b"\n") + 1]
    assert kept.count(b"\n") < 1 + OBJECTS
    path.write_bytes(kept + b'{"index": 4, "na')
    records = evaluate(evaluation, folder)
    assert clicks(records) == clicks(evaluate(evaluation, tmp_path / "other"))
    assert path.read_bytes().startswith(kept), "what was measured is not measured again"
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    assert sorted(line["index"] for line in lines[1:]) == list(range(OBJECTS))


def test_more_objects_go_on_too(data, tmp_path):
    few = evaluate(Evaluation(PAINTER, data, objects=2), tmp_path)
    assert len(few) == 2
    assert len(evaluate(Evaluation(PAINTER, data), tmp_path)) == OBJECTS


def test_another_evaluation_needs_another_folder(data, tmp_path):
    evaluate(Evaluation(PAINTER, data, objects=1), tmp_path)
    with pytest.raises(EvaluationError, match=r"until 0\.9 then, 0\.8 now.*another folder"):
        evaluate(Evaluation(PAINTER, data, objects=1, until=0.8), tmp_path)


def test_new_weights_are_another_evaluation(data, tmp_path, monkeypatch):
    """Not the method's name but its file says whether what was measured still holds."""
    monkeypatch.setitem(interactive.METHODS, "ritm", Painter)
    for sha in ("aa", "bb"):
        monkeypatch.setattr(interactive, "read_card", lambda _, sha=sha: {"sha256": sha})
        interactive.build_method.cache_clear()
        if sha == "aa":
            evaluate(Evaluation("ritm", data, objects=1), tmp_path)
            evaluate(Evaluation("ritm", data, objects=2), tmp_path)  # the same: it goes on
        else:
            with pytest.raises(EvaluationError, match=r"weights 'aa' then, 'bb' now.*remove"):
                evaluate(Evaluation("ritm", data, objects=1), tmp_path)
    interactive.build_method.cache_clear()


def test_the_shipped_weights_are_told(data):
    for name, kind in (("ritm", ZoomIn), ("sam", SAM)):
        told = interactive.identity(Evaluation(name, data))["weights"]
        path = shipped.checkpoints_folder() / f"{interactive.SHIPPED[name]}.safetensors"
        assert told == hashlib.sha256(path.read_bytes()).hexdigest()
        assert isinstance(interactive.build_method(name), kind)
    assert interactive.identity(Evaluation("grabcut", data))["weights"] is None


def test_data_moved_elsewhere_are_other_data(data, tmp_path, monkeypatch):
    evaluate(Evaluation(PAINTER, data, objects=1), tmp_path / "run")
    monkeypatch.chdir(data)
    evaluate(Evaluation(PAINTER, ".", objects=1), tmp_path / "run")  # the same folder
    shutil.copytree(data, tmp_path / "copy")
    with pytest.raises(EvaluationError, match=r"data .* then"):
        evaluate(Evaluation(PAINTER, str(tmp_path / "copy"), objects=1), tmp_path / "run")


def test_official_weights_are_methods(monkeypatch):
    """Without their files: `load` is replaced by a small network of the kind."""
    assert {"ritm-coco-lvis-h18", "sam-vit-b"} <= set(methods.official_click_names())
    monkeypatch.setattr(methods, "load", lambda _: ritm_hrnet18s(width=4, ocr_width=8).eval())
    interactive.build_method.cache_clear()
    zooming = interactive.build_method("ritm-coco-lvis-h18")
    assert isinstance(zooming, ZoomIn) and zooming.target_size == 400
    davis = interactive.build_method("ritm-coco-lvis-h18", 600)
    assert isinstance(davis, ZoomIn) and davis.target_size == 600
    assert isinstance(interactive.build_method("ritm-coco-lvis-h18", None, False), RITM)
    interactive.build_method.cache_clear()
    with pytest.raises(EvaluationError, match="does not zoom in"):
        interactive.build_method("grabcut", 600)


def test_official_weights_that_are_not_there_say_where_to_put_them(data, tmp_path, monkeypatch):
    monkeypatch.setenv("SEGEDU_CACHE", str(tmp_path))
    monkeypatch.setattr(official.pooch, "retrieve", refuse)
    with pytest.raises(EvaluationError, match=r"put it at .*coco_lvis_h18_itermask"):
        evaluate(Evaluation("ritm-coco-lvis-h18", data), tmp_path / "run")


def refuse(*_, **__):
    raise OSError("no network")


@pytest.mark.parametrize(
    ("method", "message"),
    [
        ("grabcat", "there are grabcut"),
        ("json:nothing", "cannot be built"),
        ("json:JSONDecoder", "does not take clicks"),
    ],
)
def test_wrong_methods(data, tmp_path, method, message):
    with pytest.raises(EvaluationError, match=message):
        evaluate(Evaluation(method, data), tmp_path)


def test_command_writes_a_report_that_shows_the_worst(data, tmp_path):
    arguments = ["evaluate", "interactive", "--method", PAINTER, "--data", data]
    done = CliRunner().invoke(app, [*arguments, "--output", str(tmp_path), "--max-clicks", "5"])
    assert done.exit_code == 0, done.output
    assert "noc85" in done.output
    page = (tmp_path / "report.html").read_text()
    assert page.count("data:image/jpeg") == OBJECTS and page.count("data:image/png") == 2
    records = evaluate(Evaluation(PAINTER, data, max_clicks=5), tmp_path)
    write_report(records, Evaluation(PAINTER, data, max_clicks=5), tmp_path / "two.html", worst=2)
    page = (tmp_path / "two.html").read_text()
    assert page.count("data:image/jpeg") == 2
    worst = sorted(records, key=lambda r: (len(r["ious"]), -max(r["ious"])))[::-1]
    assert len({(len(r["ious"]), max(r["ious"])) for r in records}) == OBJECTS, "no order to see"
    assert re.findall(r'<img alt="(\d)"', page) == [r["name"] for r in worst[:2]]
    page = (tmp_path / "report.html").read_text()
    assert "<script" not in page and 'src="http' not in page and 'href="http' not in page
    wrong = CliRunner().invoke(app, ["evaluate", "interactive", "--method", "no", "--data", data])
    assert wrong.exit_code == 2


def test_an_empty_evaluation_has_a_report(data, tmp_path):
    write_report([], Evaluation(PAINTER, data), tmp_path / "report.html")
    assert "No object was measured" in (tmp_path / "report.html").read_text()
