"""The click widget without a browser: its messages, histories, answers, failures."""

from __future__ import annotations

import threading
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from segedu.interactive import Click, GrabCut, InteractiveMethod, Prediction, Prompts
from segedu.widgets import Segmenter
from segedu.widgets.runs import encode_runs

HEIGHT, WIDTH = 40, 60


class Disk:
    """A disk of radius 5 around each positive click, less those around the negative ones."""

    accepts = frozenset({"click"})

    def __init__(self) -> None:
        self.images: list[NDArray[Any]] = []
        self.seen: list[Prompts] = []

    def set_image(self, image: Any) -> None:
        self.images.append(image)

    def predict(self, prompts: Prompts) -> Prediction:
        self.seen.append(prompts)
        mask = np.zeros((HEIGHT, WIDTH), bool)
        rows, cols = np.mgrid[:HEIGHT, :WIDTH] + 0.5
        for click in prompts.clicks:
            disk = (cols - click.x) ** 2 + (rows - click.y) ** 2 <= 25
            mask = mask | disk if click.positive else mask & ~disk
        return Prediction(mask, 0.75)


class Gate(Disk):
    """Waits in `predict` until it is let through."""

    def __init__(self) -> None:
        super().__init__()
        self.entered = threading.Semaphore(0)
        self.open = threading.Semaphore(0)

    def predict(self, prompts: Prompts) -> Prediction:
        self.entered.release()
        assert self.open.acquire(timeout=10)
        return super().predict(prompts)


def blank() -> NDArray[np.uint8]:
    return np.full((HEIGHT, WIDTH, 3), 90, np.uint8)


class Browser:
    """Sends what the browser sends, and keeps what it would get."""

    def __init__(self, segmenter: Segmenter) -> None:
        self.segmenter, self.event = segmenter, 0
        self.files: list[tuple[str, bytes]] = []
        self.masks: dict[int, bytes] = {}
        segmenter.send = self._keep  # type: ignore[method-assign]

    def _keep(self, content: Any, buffers: Any = None) -> None:
        if content["type"] == "masks":
            self.masks.update(zip(content["ids"], buffers, strict=True))
        else:
            assert content["type"] == "file"
            self.files.append((content["name"], buffers[0]))

    def __call__(self, kind: str, wait: bool = True, **message: Any) -> None:
        self.event += 1
        self.segmenter._receive(None, {"type": kind, "event": self.event, **message}, [])
        if wait:
            self.segmenter.wait(10)

    @property
    def state(self) -> dict[str, Any]:
        return self.segmenter._state

    def click(self, x: float, y: float, positive: bool = True, wait: bool = True) -> None:
        self("click", wait, x=x, y=y, positive=positive)


@pytest.fixture
def browser() -> Browser:
    return Browser(Segmenter(blank(), Disk()))


def decode_runs(data: bytes, shape: tuple[int, int]) -> NDArray[np.bool_]:
    flat = np.zeros(shape[0] * shape[1], bool)
    runs = np.frombuffer(data, "<u4")
    for start, stop in zip(runs[::2], runs[1::2], strict=True):
        flat[start:stop] = True
    return flat.reshape(shape)


@settings(deadline=None)
@given(st.integers(1, 9), st.integers(1, 9), st.data())
def test_runs_say_the_mask(height: int, width: int, data: st.DataObject) -> None:
    bits = data.draw(st.lists(st.booleans(), min_size=height * width, max_size=height * width))
    mask = np.array(bits).reshape(height, width)
    np.testing.assert_array_equal(decode_runs(encode_runs(mask), mask.shape), mask)


def test_click_gives_a_mask_and_the_browser_the_same(browser: Browser) -> None:
    browser.click(20, 10)
    mask = browser.segmenter.mask
    assert mask.dtype == bool and mask.shape == (HEIGHT, WIDTH)
    assert mask[10, 20] and not mask[30, 50]
    sent = browser.segmenter._masks["1"]
    np.testing.assert_array_equal(decode_runs(sent, mask.shape), mask)
    assert browser.state["pixels"] == mask.sum()
    assert browser.state["score"] == browser.segmenter.score == 0.75
    assert browser.state["event"] == 1 and not browser.state["busy"]


def test_method_gets_all_prompts_and_the_mask_before(browser: Browser) -> None:
    browser.click(20, 10)
    first = browser.segmenter.mask
    browser.click(23, 10, positive=False)
    method = browser.segmenter.method
    assert isinstance(method, Disk)
    assert len(method.images) == 1, "set_image once, predict often"
    assert method.seen[-1].clicks == (Click(20, 10), Click(23, 10, False))
    previous = method.seen[-1].previous_mask
    assert previous is not None
    np.testing.assert_array_equal(previous, first)
    assert browser.segmenter.mask.sum() < first.sum()


def test_undo_and_redo_walk_without_asking_again(browser: Browser) -> None:
    browser.click(20, 10)
    one = browser.segmenter.mask
    browser.click(40, 30)
    two = browser.segmenter.mask
    browser("undo")
    np.testing.assert_array_equal(browser.segmenter.mask, one)
    assert browser.state["redo"] and browser.state["undo"]
    browser("undo")
    assert not browser.segmenter.mask.any() and browser.segmenter._masks == {}
    browser("undo")  # nothing left: nothing happens
    browser("redo")
    browser("redo")
    np.testing.assert_array_equal(browser.segmenter.mask, two)
    method = browser.segmenter.method
    assert isinstance(method, Disk) and len(method.seen) == 2
    browser("undo")
    browser.click(5, 5)
    assert not browser.state["redo"], "what was undone is forgotten"


def test_clear_can_be_undone(browser: Browser) -> None:
    browser.click(20, 10)
    browser("clear")
    assert not browser.segmenter.prompts and not browser.segmenter.mask.any()
    browser("undo")
    assert browser.segmenter.mask.any()


def test_objects_have_their_own_prompts(browser: Browser) -> None:
    browser.click(20, 10)
    browser("add")
    assert browser.segmenter.objects == ["object 1", "object 2"]
    assert browser.segmenter.active == "object 2" and not browser.segmenter.prompts
    browser.click(40, 30)
    masks = browser.segmenter.masks
    assert masks["object 1"][10, 20] and not masks["object 1"][30, 40]
    assert masks["object 2"][30, 40] and not masks["object 2"][10, 20]
    browser("rename", id=2, name="cat")
    browser("select", id=1)
    assert browser.segmenter.active == "object 1" and list(browser.segmenter.masks)[1] == "cat"
    browser("undo")
    assert not browser.segmenter.masks["object 1"].any() and browser.segmenter.masks["cat"].any()
    browser("delete", id=1)
    assert browser.segmenter.objects == ["cat"] == [browser.segmenter.active]
    browser("delete", id=2)
    assert len(browser.segmenter.objects) == 1 and not browser.segmenter.mask.any()
    colors = [tuple(thing["color"]) for thing in browser.state["objects"]]
    assert len(set(colors)) == len(colors)


def test_a_deleted_object_comes_back(browser: Browser) -> None:
    browser.click(20, 10)
    mask = browser.segmenter.mask
    browser("delete", id=1)  # the only one: an empty one takes its place
    assert not browser.segmenter.mask.any() and browser.state["undo"]
    browser("undo")
    assert browser.segmenter.objects == ["object 1"]
    np.testing.assert_array_equal(browser.segmenter.mask, mask)

    browser("add")
    browser("delete", id=1)
    browser("undo")
    assert browser.segmenter.objects[0] == "object 1" and len(browser.segmenter.objects) == 2
    browser("undo")  # as before the deletion: of the active object, which has no prompt
    assert len(browser.segmenter.objects) == 2


@pytest.mark.parametrize("change", ["click", "add", "rename"])
def test_a_deleted_object_stays_deleted_once_something_changed(
    browser: Browser, change: str
) -> None:
    browser("add")
    browser("delete", id=1)
    if change == "click":
        browser.click(20, 10)
    else:
        browser(change, **({"id": 2, "name": "cat"} if change == "rename" else {}))
    browser("undo")
    browser("undo")
    assert 1 not in [thing["id"] for thing in browser.state["objects"]]


@pytest.mark.parametrize("name", ["", "  ", "object 2"])
def test_a_bad_name_is_refused_and_shown(browser: Browser, name: str) -> None:
    browser("add")
    browser("rename", id=1, name=name)
    assert "name" in browser.state["error"] and browser.segmenter.objects[0] == "object 1"
    with pytest.raises(ValueError, match="name"):
        browser.segmenter.rename("object 1", name)


def test_all_kinds_of_prompts_arrive() -> None:
    class All(Disk):
        accepts = frozenset({"click", "box", "stroke", "contour"})

    browser = Browser(Segmenter(blank(), All()))
    browser("box", box=[-4, 2, 70, 30])
    browser("stroke", points=[[1, 2], [3, 4]], radius=2.5, positive=False)
    browser("contour", points=[[1, 1], [9, 1], [5, 8]])
    prompts = browser.segmenter.prompts
    assert prompts.box == (0, 2, WIDTH, 30), "cut off at the image's border"
    assert prompts.strokes[0].radius == 2.5 and not prompts.strokes[0].positive
    assert prompts.contour is not None and prompts.contour.shape == (3, 2)
    assert prompts.kinds == {"box", "stroke", "contour"}
    assert browser.state["prompts"]["contour"] == [[1, 1], [9, 1], [5, 8]]


def test_a_failing_method_is_shown_and_nothing_is_lost() -> None:
    class Fragile(Disk):
        def predict(self, prompts: Prompts) -> Prediction:
            if len(prompts.clicks) == 2:
                raise FloatingPointError("out of luck")
            return super().predict(prompts)

    browser = Browser(Segmenter(blank(), Fragile()))
    browser.click(20, 10)
    good = browser.segmenter.mask
    browser.click(40, 30)
    assert browser.state["error"] == "FloatingPointError: out of luck"
    assert len(browser.segmenter.prompts.clicks) == 2
    np.testing.assert_array_equal(browser.segmenter.mask, good)
    browser.click(41, 30)
    assert browser.state["error"] == "" and browser.segmenter.mask[30, 40]
    with pytest.raises(RuntimeError, match="out of luck"):
        browser.segmenter.prompts = Prompts(clicks=(Click(1, 1), Click(2, 2)))


@pytest.mark.parametrize(
    "answer",
    [np.zeros((3, 4), bool), np.zeros((HEIGHT, WIDTH)), np.zeros((1, HEIGHT, WIDTH), bool)],
)
def test_a_method_that_answers_nonsense_is_named(answer: NDArray[Any]) -> None:
    class Wrong(Disk):
        def predict(self, prompts: Prompts) -> Prediction:
            return Prediction(answer)

    browser = Browser(Segmenter(blank(), Wrong()))
    browser.click(20, 10)
    assert "the method's mask must" in browser.state["error"]
    assert not browser.segmenter.mask.any()


@pytest.mark.parametrize(
    "message",
    [
        {"type": "nothing"},
        {"type": "click"},
        {"type": "select", "id": 9},
        {"type": "box", "box": [5, 5, 5, 9]},
        {"type": "stroke", "points": [], "radius": 1, "positive": True},
        {"type": "export", "what": "cutout"},
    ],
)
def test_a_bad_message_is_shown_and_changes_nothing(
    browser: Browser, message: dict[str, Any]
) -> None:
    browser(message.pop("type"), **message)
    assert browser.state["error"] and not browser.segmenter.prompts
    browser.click(20, 10)
    assert not browser.state["error"] and browser.segmenter.mask.any()


def test_latest_prompts_win_and_no_queue_builds_up() -> None:
    method = Gate()
    browser = Browser(Segmenter(blank(), method))
    browser.click(10, 10, wait=False)
    assert method.entered.acquire(timeout=10)
    for x in range(20, 50, 5):
        browser.click(x, 20, wait=False)
    assert not method.seen, "the first is still being answered"
    for _ in range(2):
        method.open.release()
    browser.segmenter.wait(10)
    assert [len(prompts.clicks) for prompts in method.seen] == [1, 7]
    assert browser.segmenter.mask[20, 45] and browser.state["event"] == 7


def test_every_object_gets_its_latest_answer() -> None:
    method = Gate()
    browser = Browser(Segmenter(blank(), method, names=("a", "b")))
    browser.click(10, 10, wait=False)
    assert method.entered.acquire(timeout=10)
    browser.click(20, 10, wait=False)
    browser("select", wait=False, id=2)
    browser.click(40, 30, wait=False)
    for _ in range(3):
        method.open.release()
    browser.segmenter.wait(10)
    assert browser.segmenter.masks["a"][10, 20] and browser.segmenter.masks["b"][30, 40]


def test_undo_while_the_method_runs_keeps_the_answer_for_redo() -> None:
    method = Gate()
    browser = Browser(Segmenter(blank(), method))
    browser.click(10, 10, wait=False)
    assert method.entered.acquire(timeout=10)
    browser("undo", wait=False)
    method.open.release()
    browser.segmenter.wait(10)
    assert not browser.segmenter.mask.any()
    browser("redo")
    assert browser.segmenter.mask[10, 10] and len(method.seen) == 1


def test_undo_of_prompts_that_wait_asks_nothing_and_comes_to_rest() -> None:
    method = Gate()
    browser = Browser(Segmenter(blank(), method, names=("a", "b")))
    browser.click(10, 10, wait=False)
    assert method.entered.acquire(timeout=10)
    browser("select", wait=False, id=2)
    browser.click(40, 30, wait=False)
    browser("undo", wait=False)
    method.open.release()
    browser.segmenter.wait(10)
    assert len(method.seen) == 1 and not browser.state["busy"]
    assert browser.segmenter.masks["a"].any() and not browser.segmenter.masks["b"].any()


def test_prompts_set_from_python() -> None:
    segmenter = Segmenter(blank(), Disk(), names=("thing",))
    segmenter.prompts = Prompts(clicks=(Click(20, 10),))
    assert segmenter.mask[10, 20] and segmenter._state["prompts"]["clicks"] == [[20, 10, True]]
    with pytest.raises(ValueError, match="thing"):
        segmenter.active = "other"
    with pytest.raises(ValueError, match="read-only"):
        segmenter.mask[0, 0] = True


def test_state_says_which_tools_the_method_takes() -> None:
    assert Segmenter(blank(), Disk())._state["accepts"] == ["click"]
    assert Segmenter(blank())._state["accepts"] == ["click", "box", "stroke", "contour"]
    assert isinstance(Disk(), InteractiveMethod) and isinstance(GrabCut(), InteractiveMethod)


def test_picture_without_a_kernel_shows_the_overlay() -> None:
    import cv2

    segmenter = Segmenter(blank(), Disk())
    segmenter.prompts = Prompts(clicks=(Click(20, 10),))
    bundle, _ = segmenter._repr_mimebundle_()
    assert "application/vnd.jupyter.widget-view+json" in bundle
    picture = cv2.imdecode(np.frombuffer(bundle["image/png"], np.uint8), cv2.IMREAD_COLOR)
    assert picture.shape == (HEIGHT, WIDTH, 3)
    assert (picture[10, 20] != 90).any() and (picture[35, 55] == 90).all()


def test_browser_gets_the_exported_files(browser: Browser) -> None:
    browser.click(20, 10)
    for what in ("coco", "mask", "cutout"):
        browser("export", what=what)
    assert [name for name, _ in browser.files] == ["annotations.json", "mask.png", "object 1.png"]
    assert browser.files[1][1] == browser.segmenter.mask_png()
    assert browser.files[2][1] == browser.segmenter.cutout()


@settings(deadline=None, max_examples=25)
@given(
    st.lists(
        st.sampled_from(["click", "undo", "redo", "clear", "add", "delete", "select"]), max_size=20
    )
)
def test_any_sequence_of_events_leaves_python_and_browser_agreed(events: list[str]) -> None:
    browser = Browser(Segmenter(blank(), Disk()))
    for number, kind in enumerate(events):
        ids = [thing["id"] for thing in browser.state["objects"]]
        target = ids[number % len(ids)]
        if kind == "click":
            browser.click(number * 3 % WIDTH, number * 2 % HEIGHT)
        else:
            browser(kind, **({"id": target} if kind in ("select", "delete") else {}))
        segmenter, state = browser.segmenter, browser.state
        assert not state["error"]
        assert [thing["name"] for thing in state["objects"]] == segmenter.objects
        for thing in state["objects"]:
            sent = decode_runs(segmenter._masks.get(str(thing["id"]), b""), (HEIGHT, WIDTH))
            np.testing.assert_array_equal(sent, segmenter.masks[thing["name"]])
        expected = Disk().predict(segmenter.prompts).mask
        np.testing.assert_array_equal(segmenter.mask, expected)
