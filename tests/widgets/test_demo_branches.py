"""What the branches demo shows is what HRNet's exchanges do, at the ends of its controls."""

from __future__ import annotations

import itertools

import cv2
import numpy as np
import pytest
import torch

from segedu.data.scenes import SCENE_CLASSES
from segedu.images import to_tensor
from segedu.semantic import hrnet_w18
from segedu.widgets import hrnet_branches
from segedu.widgets.demos.branches import GAP, TITLE, WIDE_GAP, path
from tests.parity.helpers import randomize

SMALL = {"width": 4, "blocks": 1, "modules": (1, 2, 1), "stem_width": 8}


@pytest.fixture(scope="module")
def image():
    return np.random.default_rng(0).integers(0, 256, (64, 128, 3), dtype=np.uint8)


@pytest.fixture(scope="module")
def model(image):
    net = randomize(hrnet_w18(len(SCENE_CLASSES), **SMALL))
    with torch.no_grad():  # no class is the largest everywhere
        net.score.bias -= steps(net, image)["logits"].mean(dim=(0, 2, 3))
    return net


@pytest.fixture
def demo(image, model):
    return hrnet_branches(image, model)


def decoded(stage):
    return cv2.imdecode(np.frombuffer(stage._picture, np.uint8), cv2.IMREAD_COLOR)[..., ::-1]


def steps(model, image):
    with torch.inference_mode():
        return model.eval().intermediates(model.normalization.apply(to_tensor(image)[None]))


def test_shows_the_networks_maps_and_their_sums(demo, model, image):
    found = steps(model, image)
    for number in (2, 3, 4):
        demo.stage_number.value = number
        fusion = demo.fusion
        assert len(fusion.before) == len(fusion.after) == number
        for r in range(number):
            after = found[f"stage{number}_branch{r}"][0]
            torch.testing.assert_close(fusion.after[r], after)
            torch.testing.assert_close(sum(fusion.parts[r]).relu(), after, atol=1e-4, rtol=1e-4)
            torch.testing.assert_close(fusion.parts[r][r], fusion.before[r])
            assert sum(demo.shares(r)) == pytest.approx(1)


def test_channels_and_energy(demo):
    maps = demo.fusion.after[1]  # 8 channels; the coarsest branch has 32
    demo.channel.value = 0
    np.testing.assert_allclose(demo.seen(maps), maps.square().mean(0).sqrt(), rtol=1e-6)
    for k, expected in ((1, maps[0]), (8, maps[7]), (demo.channel.max, maps[7])):
        demo.channel.value = k
        np.testing.assert_array_equal(demo.seen(maps), expected)
    assert demo.channel.max == 32
    demo.stage_number.value = 2
    assert demo.channel.value == demo.channel.max == 8


def test_click_on_any_panel_chooses_the_same_place(demo):
    width, height = demo.panel
    for number in (2, 4):
        demo.stage_number.value = number
        tall, wide = demo.picture().shape[:2]
        for row, column in itertools.product(range(number + 1), repeat=2):
            left = column * (width + GAP) + (WIDE_GAP - GAP) * (column == number)
            top = row * (height + TITLE + GAP) + (WIDE_GAP - GAP) * (row > 0)
            demo._choose((left + 0.25 * width) / wide, (top + TITLE + 0.6 * height) / tall)
            np.testing.assert_allclose(demo.chosen, (0.25, 0.6), atol=1e-3)
        assert (decoded(demo.stage) == demo.picture()).all()
    demo._choose(0, 0)  # on a title
    assert demo.chosen == (0, 0)
    demo._choose(1, 1)
    assert demo.cell(0) == (15, 31) and demo.cell(3) == (1, 3)


def test_caption_adds_up(demo):
    demo.channel.value = 2
    row, col = demo.cell(0)
    parts = [float(p[1, row, col]) for p in demo.fusion.parts[0]]
    for value in parts:
        assert f"{abs(value):.2f} from" in demo.caption.value
    assert f"<b>{max(0, sum(parts)):.2f}</b> after ReLU" in demo.caption.value


def test_labels_are_the_networks_and_follow_the_boxes(demo, model, image):
    logits = steps(model, image)["logits"][0]
    np.testing.assert_array_equal(demo.labels, logits.argmax(0))
    np.testing.assert_array_equal(demo.relabel(), logits.argmax(0))
    for box in demo.heard:
        box.value = False
    assert len(np.unique(demo.labels)) == 1, "means alone know no places"
    demo.heard[0].value = True
    assert len(np.unique(demo.labels)) > 1
    for box in demo.heard:
        box.value = True
    np.testing.assert_array_equal(demo.labels, logits.argmax(0))


def test_a_drag_does_not_run_the_backbone(demo, model, monkeypatch):
    monkeypatch.setattr(type(model.backbone), "steps", None)
    demo.channel.value = 1
    demo.stage_number.value = 3
    demo._choose(0.2, 0.2)
    demo.heard[3].value = False
    assert "1/16" in demo.caption.value


def test_model_keeps_its_mode_and_loses_the_hooks(image):
    model = hrnet_w18(3, **SMALL).train()
    demo = hrnet_branches(image[:, :40], model)  # three classes, upright
    assert model.training
    assert not any(m._forward_pre_hooks for m in model.modules())
    demo.heard[0].value = False
    assert model.training


def test_says_which_weights(image, model):
    assert "weights: " in hrnet_branches(image).caption.value
    assert "mine" in hrnet_branches(image, model, note="mine").caption.value


def test_paths_are_told():
    assert [path(s, 2) for s in range(4)] == [
        "3×3 /2, twice", "3×3 /2", "as it is", "1×1, enlarged ×2",
    ]  # fmt: skip
