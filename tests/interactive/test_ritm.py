"""RITM and Zoom-In: what they promise, without their authors' code (tests/parity has that)."""

from __future__ import annotations

import inspect
from typing import Any

import numpy as np
import pytest
import torch

from segedu.interactive import (
    RITM,
    SAM,
    Click,
    GrabCut,
    Prediction,
    Prompts,
    UnsupportedPromptError,
    ZoomIn,
    click_through,
    ritm_hrnet18s,
    ritm_segformer_b0,
    sam_vit_tiny,
)
from segedu.interactive.click_maps import disks, distance_maps, mirrored, points_of
from segedu.interactive.iterative import click_into_error, first_clicks, simulate_clicks
from segedu.interactive.zoom_in import Box, box_around
from segedu.weights import read_card

SMALL: dict[str, Any] = {
    "width": 4, "blocks": 1, "modules": (1, 1, 1), "stem_width": 8, "ocr_width": 4, "scale": 1.0,
}  # fmt: skip


def small_net(seed: int = 0) -> Any:
    torch.manual_seed(seed)
    return ritm_hrnet18s(**SMALL).eval()


def picture(height: int = 60, width: int = 90) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (height, width, 3), np.uint8)


def test_disks_and_distances_by_their_definition() -> None:
    clicks = (Click(10.5, 4.5), Click(30.5, 20.5), Click(0.5, 0.5, positive=False))
    points = points_of(clicks)
    size = (25, 40)
    for y in range(0, 25, 3):
        for x in range(0, 40, 3):
            for side, places in enumerate([[(10, 4), (30, 20)], [(0, 0)]]):
                d = min(np.hypot(x - px, y - py) for px, py in places)
                assert disks(points, size)[0, side, y, x] == float(d <= 5)
                want = np.tanh(2 * d / 260)
                assert distance_maps(points, size)[0, side, y, x] == pytest.approx(want, abs=1e-6)
    assert disks(points_of([]), size).sum() == 0
    flipped = disks(mirrored(points, 40), size)
    assert torch.equal(flipped, disks(points, size).flip(-1))


@pytest.mark.parametrize("encoding", ["disks", "distances"])
@pytest.mark.parametrize("size", [(64, 64), (37, 50)])
def test_networks_answer_any_size(encoding: Any, size: tuple[int, int]) -> None:
    torch.manual_seed(0)
    nets = [
        ritm_hrnet18s(**SMALL, encoding=encoding),
        ritm_segformer_b0(width=0.25, encoding=encoding),
    ]
    images, points = torch.randn(2, 3, *size), torch.tensor([[[3.0, 4, 1]], [[8, 9, 0]]])
    for net in nets:
        net.eval()
        with torch.no_grad():
            logits = net(images, points)
            assert logits.shape == (2, 1, *size)
            zeros = torch.zeros(2, 1, *size)
            assert torch.equal(logits, net(images, points, zeros))
            assert not torch.allclose(logits, net(images, points, zeros + 1))
            shown = net.intermediates(images, points)
        assert shown["maps"].shape == (2, 3, *size)
        assert torch.equal(shown["logits"], logits)
        net.train()
        assert set(net(images, points)) >= {"logits"}
    with pytest.raises(ValueError, match="encoding"):
        ritm_hrnet18s(**SMALL, encoding="stars")


def test_the_docstring_counts_the_parameters() -> None:
    with torch.device("meta"):
        net = ritm_segformer_b0()
    assert f"{sum(p.numel() for p in net.parameters()):,} parameters" in ritm_segformer_b0.__doc__


def test_the_shipped_network_saw_the_clicks_that_are_told() -> None:
    """`iterative` says 8 and 0.6, against the paper's 24 and 0.8."""
    card = read_card("ritm-hrnet18s-small")
    assert card["recipe"]["simulate_args"] == {"max_points": 8, "decay": 0.6}
    defaults = inspect.signature(simulate_clicks).parameters
    assert (defaults["max_points"].default, defaults["decay"].default) == (24, 0.8)


def test_one_region_is_attended_to_alike_in_training_and_evaluation() -> None:
    """The shortcut for a single region says what the attention says."""
    net = small_net()
    features, scores = torch.randn(2, 8, 6, 7), torch.randn(2, 1, 6, 7)
    with torch.no_grad():
        short = net.context(features, scores)
        net.context.training = True  # only the choice; its layers stay in evaluation mode
        net.context.dropout.eval()
        long = net.context(features, scores)
    torch.testing.assert_close(short, long)


def test_the_answer_depends_on_the_clicks_alone() -> None:
    method = RITM(small_net(), device="cpu")
    method.set_image(picture())
    clicks = (Click(20.5, 30.5), Click(60.5, 30.5, positive=False), Click(40.5, 10.5))
    answers = [method.probabilities(clicks[:1])]
    for n in (2, 3):
        answers.append(method.probabilities(clicks[:n], answers[-1]))
    for order in ([1, 2, 3], [2, 3], [3], [1]):  # with undo and redo
        for n in order:
            got = method.predict(Prompts(clicks=clicks[:n]))
            np.testing.assert_array_equal(got.mask, answers[n - 1] > 0.49)
            assert 0 <= got.score <= 1
    method.set_image(picture())  # nothing is remembered of an earlier image
    first = method.predict(Prompts(clicks=clicks[:2]))
    np.testing.assert_array_equal(first.mask, method.probabilities(clicks[:2]) > 0.49)


def test_a_mirror_image_gives_the_mirrored_answer() -> None:
    method = RITM(small_net(), device="cpu")
    image = picture(48, 64)
    method.set_image(image)
    here = method.probabilities((Click(10.5, 7.5),))
    method.set_image(image[:, ::-1].copy())
    there = method.probabilities((Click(53.5, 7.5),))
    np.testing.assert_allclose(here, there[:, ::-1], atol=1e-5)


def test_large_images_are_shrunk_for_the_network() -> None:
    sizes = []
    net = small_net()
    net.register_forward_pre_hook(lambda _, inputs: sizes.append(tuple(inputs[0].shape[-2:])))
    method = RITM(net, device="cpu", max_size=64)
    method.set_image(picture(100, 200))
    assert method.predict(Prompts(clicks=(Click(150.5, 50.5),))).mask.shape == (100, 200)
    assert sizes == [(32, 64)]


@pytest.mark.parametrize("wrap", [False, True])
def test_mistakes_are_told(wrap: bool) -> None:
    inner = RITM(small_net(), device="cpu")
    method = ZoomIn(inner) if wrap else inner
    with pytest.raises(RuntimeError, match="set_image"):
        method.predict(Prompts(clicks=(Click(1, 1),)))
    method.set_image(picture())
    with pytest.raises(ValueError, match="at least one click"):
        method.predict(Prompts())
    with pytest.raises(UnsupportedPromptError, match="box"):
        method.predict(Prompts(box=(0, 0, 5, 5)))
    with pytest.raises(ValueError, match="previous_mask"):
        wrong = np.zeros((3, 3), bool)
        method.predict(Prompts(clicks=(Click(1, 1),), previous_mask=wrong))
    with pytest.raises(ValueError, match="max_size"):
        RITM(small_net(), max_size=8)


def test_the_box_around_an_object() -> None:
    mask = np.zeros((300, 400), bool)
    mask[100:150, 200:300] = True  # centre (124.5, 249.5), 50 x 100
    assert box_around(mask, [], 1.4, 10) == Box(90, 160, 180, 320)
    assert box_around(mask, [], 1.4, 200) == Box(24, 224, 150, 350)
    far = [Click(10.5, 20.5), Click(399.5, 299.5, positive=False)]
    assert box_around(mask, far, 1.0, 10) == Box(20, 150, 10, 300)  # negative clicks do not count
    assert box_around(np.zeros((9, 9), bool), [], 1.4, 5) is None
    assert box_around(np.ones((9, 9), bool), [], 1.4, 200) == Box(0, 8, 0, 8)
    box = Box(10, 29, 40, 49)
    assert box.size == (20, 10)
    assert box.resized(400) == (400, 200)
    inside = box.click_inside(Click(45.5, 20.5), (400, 200))
    assert (inside.x, inside.y) == (100.5, 200.5)
    assert box.holds([Click(40.5, 10.5), Click(0.5, 0.5, positive=False)])
    assert not box.holds([Click(49.5, 10.5)])  # the last column counts as outside
    assert box.overlap(box) == 1
    assert box.overlap(Box(20, 39, 40, 49)) == pytest.approx(1 / 3)


class Disk:
    """Answers with a disk around the first click; remembers what it was shown."""

    accepts = frozenset({"click"})

    def __init__(self) -> None:
        self.shapes: list[tuple[int, ...]] = []

    def set_image(self, image: Any) -> None:
        self.shape = image.shape[:2]
        self.shapes.append(self.shape)

    def predict(self, prompts: Prompts) -> Prediction:
        rows, columns = np.mgrid[: self.shape[0], : self.shape[1]]
        first = prompts.clicks[0]
        radius = 0.15 * max(self.shape)
        return Prediction(np.hypot(columns + 0.5 - first.x, rows + 0.5 - first.y) < radius)


def test_zoom_wraps_any_method_and_pastes_back() -> None:
    disk = Disk()
    method = ZoomIn(disk, target_size=100, min_crop=20)
    method.set_image(picture(200, 300))
    clicks = (Click(100.5, 80.5), Click(110.5, 80.5), Click(280.5, 190.5))
    first = method.predict(Prompts(clicks=clicks[:1])).mask
    assert disk.shapes == [(200, 300)]
    assert first.sum() == pytest.approx(np.pi * 45**2, rel=0.02)
    second = method.predict(Prompts(clicks=clicks[:2])).mask
    assert disk.shapes[1:] == [(100, 100)]  # the box has 127 rows and columns
    rows, columns = np.nonzero(second)
    assert (rows.mean(), columns.mean()) == pytest.approx((80, 100), abs=2)
    assert second.sum() == pytest.approx(np.pi * (0.15 * 127) ** 2, rel=0.06)
    method.predict(Prompts(clicks=clicks))  # a click outside: another box
    assert len(disk.shapes) == 3
    again = method.predict(Prompts(clicks=clicks[:2])).mask  # undo: the answer of then
    np.testing.assert_array_equal(again, second)
    assert ZoomIn.accepts == {"click"}
    with pytest.raises(ValueError, match="does not take clicks"):
        ZoomIn(type("Boxes", (), {"accepts": frozenset({"box"})})())


def test_zoom_passes_progress_on_where_the_method_tells_it() -> None:
    told: list[float] = []
    zoom = ZoomIn(SAM(sam_vit_tiny(image_size=64), device="cpu"))
    zoom.progress = told.append
    zoom.set_image(picture())
    assert zoom.progress == zoom.method.progress and told[-1] == 1
    assert not hasattr(ZoomIn(RITM(small_net(), device="cpu")), "progress")


def test_zoom_around_grabcut_finds_an_object() -> None:
    image = np.full((240, 320, 3), 40, np.uint8)
    truth = np.zeros((240, 320), bool)
    truth[100:140, 150:200] = True
    image[truth] = (220, 60, 40)
    image += np.random.default_rng(0).integers(0, 20, image.shape, np.uint8)
    trace = click_through(ZoomIn(GrabCut(), target_size=200), image, truth, max_clicks=3)
    assert max(trace.ious) > 0.9


def test_random_clicks_lie_where_they_should() -> None:
    truth = np.zeros((40, 50), np.int64)
    truth[10:30, 10:35] = 1
    truth[:, 45:] = 255
    random = np.random.default_rng(0)
    numbers = set()
    for _ in range(100):
        clicks = first_clicks(truth, random, 6, 0.7)
        numbers.add(len(clicks))
        for x, y, label in clicks:
            assert truth[int(y), int(x)] == label
        assert any(label == 1 for *_, label in clicks)
    assert len(numbers) > 5
    assert first_clicks(np.zeros((9, 9), np.int64), random, 6, 0.7) == []


def test_clicks_into_errors_are_deep_in_the_larger_one() -> None:
    truth = np.zeros((60, 60), np.int64)
    truth[5:45, 5:45] = 1
    answer = np.zeros((60, 60), np.float32)
    answer[5:45, 5:15] = 1  # 40 x 30 missing
    answer[50:56, 50:56] = 1  # 6 x 6 too much
    random = np.random.default_rng(0)
    for _ in range(50):
        ((x, y, label),) = click_into_error(answer, truth, random)
        assert label == 1
        assert min(x - 14, 45 - x, y - 4, 45 - y) > 7.5  # deepest is 15
    assert click_into_error((truth == 1).astype(np.float32), truth, random) == []
    truth[answer != (truth == 1)] = 255  # nothing is known to be wrong
    assert click_into_error(answer, truth, random) == []


def test_simulation_is_a_function_of_the_generator() -> None:
    net = small_net().train()
    images = torch.rand(2, 3, 32, 32)
    target = torch.zeros(2, 32, 32, dtype=torch.int64)
    target[:, 8:24, 8:24] = 1
    found = []
    for seed in (1, 1, 2):
        torch.manual_seed(seed)
        found.append(simulate_clicks(net, images, target))
        assert net.training
    torch.testing.assert_close(found[0], found[1], rtol=0, atol=0)
    assert found[0][0].shape != found[2][0].shape or not torch.equal(found[0][0], found[2][0])
    statistics = [b.clone() for b in net.buffers()]
    for seed in range(5):
        torch.manual_seed(seed)
        points, previous = simulate_clicks(net, images, target, iterations=3, max_points=1)
        assert previous.min() >= 0 and previous.max() <= 1
        assert not previous.requires_grad
        assert points.shape[1] <= 2 + 3
    for before, after in zip(statistics, net.buffers(), strict=True):
        assert torch.equal(before, after)  # evaluation mode: nothing was learnt on the way
