"""The click widget with several methods, a ground truth and a history, without a browser."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from segedu.interactive import Click, GrabCut, Prediction, Prompts, Stroke
from segedu.widgets import Segmenter
from segedu.widgets.history import what_changed
from tests.widgets.test_segmenter import HEIGHT, WIDTH, Browser, Disk, Gate, blank, decode_runs


class Square(Disk):
    """A square of side 8 around the last click; the box, where one is given."""

    accepts = frozenset({"click", "box"})

    def predict(self, prompts: Prompts) -> Prediction:
        self.seen.append(prompts)
        rows, cols = np.mgrid[:HEIGHT, :WIDTH] + 0.5
        if prompts.box is not None:
            x0, y0, x1, y1 = prompts.box
            return Prediction((cols > x0) & (cols < x1) & (rows > y0) & (rows < y1))
        click = prompts.clicks[-1]
        return Prediction(np.maximum(abs(cols - click.x), abs(rows - click.y)) <= 4)


class Failing(Disk):
    def predict(self, prompts: Prompts) -> Prediction:
        raise FloatingPointError("no luck")


def two() -> Browser:
    return Browser(Segmenter(blank(), methods={"disk": Disk(), "square": Square()}))


def test_switching_answers_the_same_prompts_step_by_step() -> None:
    browser = two()
    segmenter = browser.segmenter
    browser.click(20, 10)
    browser.click(40, 30)
    browser("method", name="square")
    square = segmenter.methods["square"]
    assert isinstance(square, Square)
    assert [len(prompts.clicks) for prompts in square.seen] == [1, 2], "as if used from the start"
    previous = square.seen[1].previous_mask
    assert previous is not None and previous[10, 20] and not previous[30, 40]
    assert segmenter.mask.sum() == 64 and browser.state["method"] == "square"
    sent = decode_runs(segmenter._masks["1"], (HEIGHT, WIDTH))
    np.testing.assert_array_equal(sent, segmenter.mask)
    browser("undo")
    assert segmenter.mask[10, 20] and len(square.seen) == 2
    browser("method", name="disk")
    assert segmenter.mask.sum() == Disk().predict(segmenter.prompts).mask.sum()
    disk = segmenter.methods["disk"]
    assert isinstance(disk, Disk) and len(disk.seen) == 2 and len(disk.images) == 1


def test_switching_answers_every_object() -> None:
    browser = two()
    browser.click(20, 10)
    browser("add")
    browser.click(40, 30)
    browser("method", name="square")
    assert [mask.sum() for mask in browser.segmenter.masks.values()] == [64, 64]


def test_prompts_that_were_skipped_stay_skipped() -> None:
    gate, square = Gate(), Square()
    browser = Browser(Segmenter(blank(), methods={"gate": gate, "square": square}))
    browser.click(10, 10, wait=False)
    assert gate.entered.acquire(timeout=10)
    for x in (20, 25, 30):
        browser.click(x, 20, wait=False)
    for _ in range(2):
        gate.open.release()
    browser.segmenter.wait(10)
    browser("method", name="square")
    assert [len(prompts.clicks) for prompts in square.seen] == [1, 4]
    assert [np.isnan(step.seconds) for step in browser.segmenter.history] == [
        False, True, True, False
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"methods": {}}, "empty"),
        ({"methods": {"a": Disk()}, "method": "b"}, "one of the names"),
        ({"method": "b"}, "is a name"),
        ({"truth": np.zeros((3, 3), bool)}, "truth"),
        ({"truth": {"object 1": np.zeros((HEIGHT, WIDTH))}}, "truth of 'object 1'"),
    ],
)
def test_what_makes_no_sense_is_refused(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises((ValueError, TypeError), match=message):
        Segmenter(blank(), **arguments)


def test_one_method_under_two_names_is_refused() -> None:
    disk = Disk()
    with pytest.raises(ValueError, match="share"):
        Segmenter(blank(), methods={"a": disk, "b": disk})
    segmenter = Segmenter(blank(), "b", methods={"a": disk, "b": Square()})
    assert segmenter.method_name == "b"
    with pytest.raises(ValueError, match="no method named"):
        segmenter.method_name = "c"


def test_comparing_asks_every_method_and_shows_failures() -> None:
    methods = {"disk": Disk(), "failing": Failing(), "square": Square()}
    browser = Browser(Segmenter(blank(), methods=methods, truth=truth_at(20, 10)))
    browser.click(20, 10)
    assert browser.state["compared"] is None
    browser("compare", on=True)
    disk, failing, square = browser.state["compared"]
    assert disk["iou"] == 1 and disk["curve"] == [1] and disk["problem"] == ""
    assert 0.7 < square["iou"] < 1 and not square["busy"]
    assert "no luck" in failing["problem"] and failing["id"] is None
    assert browser.state["error"] == "", "the one that is shown did not fail"
    browser.click(23, 10)
    assert [len(it["curve"]) for it in browser.state["compared"]] == [2, 2, 2]
    browser("fetch", ids=[disk["id"], square["id"], 10**9])
    assert browser.masks.keys() == {disk["id"], square["id"]}
    assert decode_runs(browser.masks[square["id"]], (HEIGHT, WIDTH)).sum() == 64
    browser("compare", on=False)
    browser.click(25, 10)
    assert browser.state["compared"] is None and len(methods["square"].seen) == 2

    table = browser.segmenter.compare()
    assert table.keys() == methods.keys()
    assert [step.number for step in table["square"]] == [1, 2, 3]
    assert table["square"][2].mask is not None and table["square"][2].iou < 1
    assert "no luck" in table["failing"][2].problem


def test_the_method_in_use_does_not_wait_for_the_others() -> None:
    gate = Gate()
    browser = Browser(Segmenter(blank(), methods={"disk": Disk(), "gate": gate}))
    browser("compare", on=True)
    browser.click(20, 10, wait=False)
    assert gate.entered.acquire(timeout=10), "the disk is answered first"
    assert browser.segmenter.mask.any() and not browser.state["busy"]
    assert browser.state["compared"][1]["busy"] and browser.state["event"] == 2
    gate.open.release()
    browser.segmenter.wait(10)
    assert not browser.state["compared"][1]["busy"]


def truth_at(x: float, y: float) -> NDArray[np.bool_]:
    return Disk().predict(Prompts(clicks=(Click(x, y),))).mask


def test_iou_with_a_ground_truth() -> None:
    browser = Browser(Segmenter(blank(), Disk(), truth=truth_at(20, 10)))
    segmenter = browser.segmenter
    assert np.isnan(segmenter.iou) and browser.state["iou"] is None and browser.state["truth"]
    browser.click(23, 10)
    expected = (segmenter.mask & truth_at(20, 10)).sum() / (segmenter.mask | truth_at(20, 10)).sum()
    assert segmenter.iou == pytest.approx(expected) and 0.3 < expected < 0.8
    assert browser.state["iou"] == pytest.approx(expected, abs=1e-4)
    sent = decode_runs(segmenter._truths["1"], (HEIGHT, WIDTH))
    np.testing.assert_array_equal(sent, truth_at(20, 10))
    browser("add")
    assert not browser.state["truth"], "a lone mask is the first object's"
    assert segmenter._truths.keys() == {"1"}


def test_ignored_pixels_do_not_count() -> None:
    truth = truth_at(20, 10).astype(np.uint8)
    truth[(truth == 0) & truth_at(23, 10)] = 255
    browser = Browser(Segmenter(blank(), Disk(), truth=truth))
    browser.click(20, 10)
    browser.click(23, 10)
    assert browser.segmenter.iou == 1 and browser.segmenter.mask.sum() > (truth == 1).sum()


def test_ground_truths_by_name_follow_a_renaming() -> None:
    truths = {"left": truth_at(20, 10), "right": truth_at(40, 30)}
    browser = Browser(Segmenter(blank(), Disk(), truth=truths))
    assert browser.segmenter.objects == ["left", "right"]
    browser.click(40, 30)
    assert browser.segmenter.iou == 0
    browser("delete", id=2)
    browser("rename", id=1, name="right")
    assert browser.segmenter.iou == 1
    browser("rename", id=1, name="whatever")
    assert browser.segmenter.iou == 1


def test_history_tells_every_step() -> None:
    browser = Browser(Segmenter(blank(), GrabCut(), truth=truth_at(20, 10)))
    browser("box", box=[10, 2, 30, 20])
    browser.click(20, 10)
    browser("stroke", points=[[50, 30], [55, 35]], radius=2, positive=False)
    browser("contour", points=[[8, 2], [32, 2], [32, 22], [8, 22]])
    browser("clear")
    segmenter = browser.segmenter
    assert [(s.kind, s.positive) for s in segmenter.history] == [
        ("box", None), ("click", True), ("stroke", False), ("contour", None), ("clear", None)
    ]  # fmt: skip
    assert [step.number for step in segmenter.history] == [1, 2, 3, 4, 5]
    assert [step["kind"] for step in browser.state["history"]] == [
        step.kind for step in segmenter.history
    ]
    first = segmenter.history[0]
    assert first.method == "GrabCut" and first.seconds > 0 and np.isnan(first.score)
    assert first.mask is not None and first.prompts.box == (10, 2, 30, 20)

    browser("goto", step=2)
    assert len(segmenter.history) == 2 == browser.state["at"]
    assert len(browser.state["history"]) == 5, "what was undone can be gone back to"
    np.testing.assert_array_equal(segmenter.mask, segmenter.history[1].mask)
    browser("goto", step=99)
    assert browser.state["at"] == 5 and not browser.state["redo"]


def test_more_than_one_change_is_several() -> None:
    one, other = Click(1, 2), Click(3, 4)
    brush = Stroke(np.array([[1.0, 2.0]]), 2.0, positive=False)
    assert what_changed(Prompts(), Prompts((one,))) == ("click", True)
    assert what_changed(Prompts((one,)), Prompts((other,))) == ("several", None)
    assert what_changed(Prompts(), Prompts((one, other))) == ("several", None)
    assert what_changed(Prompts((one,)), Prompts((one,), strokes=(brush,))) == ("stroke", False)
    assert what_changed(Prompts(), Prompts((one,), box=(0, 0, 1, 1))) == ("several", None)
    assert what_changed(Prompts((one,), box=(0, 0, 1, 1)), Prompts((one,))) == ("box", None)


def test_other_prompts_are_converted_and_shown() -> None:
    browser = Browser(Segmenter(blank(), Disk()))
    assert browser.state["converts"].keys() == {"box", "stroke", "contour"}
    browser("box", box=[10, 5, 30, 25])
    method = browser.segmenter.method
    assert isinstance(method, Disk) and method.seen[0].box is None
    assert browser.segmenter.mask[15, 20] and browser.segmenter.prompts.box is not None
    derived = browser.state["derived"]
    assert derived["clicks"] == [[c.x, c.y, c.positive] for c in method.seen[0].clicks]
    assert not derived["mask"] and "click in its middle" in derived["kinds"]["box"]
    assert browser.segmenter.history[0].converted == ("box",)
    assert browser.state["prompts"]["clicks"] == [], "the user's own are none"
    browser("undo")
    browser.click(20, 10)
    assert browser.state["derived"] is None


def test_a_mask_to_begin_from_is_shown() -> None:
    class Refining(Disk):
        uses_previous_mask = True

    browser = Browser(Segmenter(blank(), Refining()))
    browser("contour", points=[[10, 5], [30, 5], [30, 25], [10, 25]])
    method = browser.segmenter.method
    assert isinstance(method, Disk) and method.seen[0].previous_mask is not None
    sent = decode_runs(browser.segmenter._masks["derived"], (HEIGHT, WIDTH))
    np.testing.assert_array_equal(sent, method.seen[0].previous_mask)
    assert browser.state["derived"]["mask"]
    browser.click(20, 10)
    assert "derived" not in browser.segmenter._masks, "it goes on from its own answer"


def test_prompts_that_nothing_can_be_made_of_are_refused() -> None:
    class Boxes(Square):
        accepts = frozenset({"box"})

    browser = Browser(Segmenter(blank(), methods={"disk": Disk(), "boxes": Boxes()}))
    browser.click(20, 10)
    browser("method", name="boxes")
    assert "Boxes cannot use click" in browser.state["error"]
    assert browser.state["converts"].keys() == {"contour"} and len(browser.segmenter.prompts.clicks)
    browser("method", name="disk")
    assert browser.state["error"] == "" and browser.segmenter.mask.any()


class Slow(Disk):
    """Reports how far it is while it takes the image."""

    progress: Callable[[float], None] | None = None

    def __init__(self) -> None:
        super().__init__()
        self.halfway, self.go_on = threading.Event(), threading.Event()

    def set_image(self, image: Any) -> None:
        super().set_image(image)
        assert self.progress is not None
        self.progress(0.5)
        self.halfway.set()
        assert self.go_on.wait(10)


def test_encoding_is_shown_and_done_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("segedu.widgets.answerer.PROGRESS_EVERY", 0.0)
    slow = Slow()
    browser = Browser(Segmenter(blank(), slow))
    heard: list[Any] = []
    browser.segmenter.observe(lambda change: heard.append(change.new["encoding"]), "_state")
    browser("ready", wait=False)
    assert slow.halfway.wait(10)
    assert browser.state["encoding"] == ["Slow", 0.5] and browser.state["busy"]
    browser("ready", wait=False)  # another view of the widget
    browser.click(20, 10, wait=False)
    slow.go_on.set()
    browser.segmenter.wait(10)
    assert ["Slow", None] in heard and browser.state["encoding"] is None
    assert len(slow.images) == 1 and browser.segmenter.mask.any() and slow.progress is None


def test_a_failing_encoding_is_shown_and_tried_again() -> None:
    class Fragile(Disk):
        broken = True

        def set_image(self, image: Any) -> None:
            if self.broken:
                raise MemoryError("too large")
            super().set_image(image)

    method = Fragile()
    browser = Browser(Segmenter(blank(), method))
    browser("ready")
    assert "too large" in browser.state["error"]
    browser.click(20, 10)
    assert "too large" in browser.state["error"] and not browser.segmenter.mask.any()
    method.broken = False
    browser.click(21, 10)
    assert browser.state["error"] == "" and browser.segmenter.mask.any()


def test_two_widgets_may_share_a_method() -> None:
    method = Disk()
    first, second = (Browser(Segmenter(blank() + k, method)) for k in range(2))
    for browser in (first, second, first, first):
        browser.click(20, 10)
    assert [int(image[0, 0, 0]) - 90 for image in method.images] == [0, 1, 0]
