"""The data engine: what people do in each round, and what is counted."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch

from segedu.backbones.vit import ViTSize
from segedu.interactive import EverythingOptions, SegmentAnything
from segedu.training import data_engine
from segedu.training.data_engine import EngineOptions, Picture, run_engine, scene_pictures
from segedu.weights import load_shipped

ALL = EverythingOptions(points_per_side=2, iou_threshold=-10, stability_threshold=-1)
OPTIONS = EngineOptions(batch=2, masks=2, max_clicks=2, salient=2, everything=ALL)


@pytest.fixture
def net() -> SegmentAnything:
    torch.manual_seed(0)
    size = ViTSize(16, 1, 2, (0,), window=4, patch=8)
    return SegmentAnything(size, channels=16, image_size=32, hidden=16, heads=2).eval()


@pytest.fixture
def pictures() -> list[Picture]:
    return scene_pictures(range(3), 32, 20)


def squares() -> Picture:
    masks = [np.zeros((32, 32), bool) for _ in range(3)]
    masks[0][:20, :20] = masks[1][22:, 22:] = masks[2][2:8, 22:30] = True
    return Picture(np.full((32, 32, 3), 90, np.uint8), masks)


def test_segments_do_not_overlap_and_are_large_enough(pictures: list[Picture]) -> None:
    for picture in pictures:
        sizes = [int(m.sum()) for m in picture.masks]
        assert sizes == sorted(sizes, reverse=True) and sizes[-1] >= 20
        assert np.sum(picture.masks, axis=0).max() == 1
        assert picture.image.shape == (32, 32, 3)


def test_what_clicks_do_not_bring_is_painted(net: SegmentAnything) -> None:
    impossible = dataclasses.replace(OPTIONS, good=1.1)
    masks, clicks, painted = data_engine.assisted(net, squares(), impossible)
    assert painted == len(masks) == OPTIONS.salient
    assert clicks == OPTIONS.salient * OPTIONS.max_clicks
    for mask, truth in zip(masks, squares().masks, strict=False):
        np.testing.assert_array_equal(mask, truth)


def test_what_is_good_at_once_costs_one_click_and_keeps_the_answer(net: SegmentAnything) -> None:
    easy = dataclasses.replace(OPTIONS, good=0.0)
    masks, clicks, painted = data_engine.assisted(net, squares(), easy)
    assert (len(masks), clicks, painted) == (2, 2, 0)


def test_people_leave_alone_what_the_model_is_sure_of(
    net: SegmentAnything, monkeypatch: pytest.MonkeyPatch
) -> None:
    picture = squares()
    monkeypatch.setattr(data_engine, "confident", lambda *_: picture.masks[:2])
    impossible = dataclasses.replace(OPTIONS, good=1.1)
    masks, clicks, painted = data_engine.semi_automatic(net, picture, impossible)
    assert (len(masks), clicks, painted) == (3, 2, 1)
    np.testing.assert_array_equal(masks[2], picture.masks[2])


def test_a_fit_changes_the_network_and_nothing_around_it(
    net: SegmentAnything, pictures: list[Picture]
) -> None:
    before = [p.clone() for p in net.parameters()]
    state = torch.get_rng_state()
    losses: list[float] = []
    data_engine.fit(net, pictures, 3, OPTIONS, report=losses.append)
    assert torch.equal(state, torch.get_rng_state())
    assert len(losses) == 3 and np.isfinite(losses).all() and not net.training
    assert any(not torch.equal(a, b) for a, b in zip(before, net.parameters(), strict=True))


def test_a_few_steps_on_one_picture_lower_its_loss(net: SegmentAnything) -> None:
    losses: list[float] = []
    options = dataclasses.replace(OPTIONS, lr=3e-3)
    data_engine.fit(net, [squares()], 60, options, report=losses.append)
    assert np.mean(losses[-10:]) < 0.8 * np.mean(losses[:5])


def test_the_shipped_network_spares_people_work() -> None:
    """Where the lecture's engine begins, before any training on scenes."""
    net = load_shipped("sam-vit-tiny").see(128)
    sure = EverythingOptions(
        points_per_side=8, iou_threshold=0.4, stability_threshold=0.5, stability_offset=0.3,
        min_region=10,
    )  # fmt: skip
    options = EngineOptions(good=0.7, max_clicks=6, everything=sure)
    pools = [scene_pictures(range(s, s + 2)) for s in (10_000, 11_000, 12_000)]
    held_out = scene_pictures(range(20_000, 20_002))
    first, second, third = list(run_engine(net, [], pools, held_out, steps=0, options=options))[1:]
    assert first.painted < first.masks / 2
    assert second.painted < second.masks
    assert third.masks > 0 and third.clicks == third.painted == 0
    assert first.quality > 0.7 and second.quality > 0.6 and third.quality > 0.35


def test_rounds_are_counted(net: SegmentAnything, pictures: list[Picture]) -> None:
    rounds = list(
        run_engine(net, pictures[:1], [pictures[1:]] * 3, pictures[:1], steps=1, options=OPTIONS)
    )
    assert [r.name for r in rounds] == [
        "start", "assisted manual", "semi-automatic", "fully automatic",
    ]  # fmt: skip
    assert rounds[0].clicks == rounds[3].clicks == rounds[3].painted == 0
    assert rounds[1].masks == 4 and 4 <= rounds[1].clicks <= 8
    for r in rounds:
        assert 0 <= r.iou <= 1
        assert np.isnan(r.quality) or 0 <= r.quality <= 1
    assert rounds[1].found <= 1
