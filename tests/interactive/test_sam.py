"""SAM in the interactive protocol: against the authors' predictor, and what it does by itself."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch.nn import functional as F

from segedu.backbones.vit import ViTSize
from segedu.interactive import Click, InteractiveMethod, Prompts, Stroke, UnsupportedPromptError
from segedu.interactive.sam import MOST_ANSWERS, SAM, Frame
from segedu.interactive.sam_network import SegmentAnything
from tests.parity.helpers import randomize, reference
from tests.parity.test_sam import CHECKOUT, official_sam, pair
from tests.requirements_of_machine import needs_references

SMALL = ViTSize(32, 2, 2, (1,), window=5)
SIZES = [(120, 170), (300, 200), (128, 128), (37, 41)]


def picture(size: tuple[int, int], seed: int = 0) -> NDArray[np.uint8]:
    """A smooth random image."""
    rng = torch.Generator().manual_seed(seed)
    coarse = torch.rand(1, 3, 6, 6, generator=rng)
    image = F.interpolate(coarse, size, mode="bicubic").clamp(0, 1)[0].permute(1, 2, 0)
    return (image * 255).round().to(torch.uint8).numpy()


def small_net(seed: int = 0, **options: Any) -> SegmentAnything:
    """A random Segment Anything of few channels, for images of 128 pixels."""
    options = {"channels": 64, "image_size": 128, "hidden": 64, "heads": 4} | options
    net = SegmentAnything(SMALL, **options)
    net = randomize(net, seed, gain=1.0)
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, tensor in net.state_dict().items():
            if (name.startswith("prompts.") and "mask." not in name) or name.endswith("_tokens"):
                tensor.copy_(torch.randn(tensor.shape, generator=generator))
    return net


@pytest.fixture(scope="module")
def method() -> SAM:
    sam = SAM(small_net(), device="cpu")
    sam.set_image(picture((120, 170)))
    return sam


def test_sam_speaks_the_protocol(method: SAM) -> None:
    assert isinstance(method, InteractiveMethod)
    answer = method.predict(Prompts(clicks=(Click(80.5, 60.5),)))
    assert answer.mask.shape == (120, 170) and answer.mask.dtype == np.bool_
    assert 0 <= answer.score <= 1
    with pytest.raises(UnsupportedPromptError, match="stroke"):
        method.predict(Prompts(strokes=(Stroke(np.ones((1, 2)), 2),)))
    with pytest.raises(ValueError, match="say nothing"):
        method.predict(Prompts())
    with pytest.raises(ValueError, match="previous_mask"):
        method.predict(Prompts(clicks=(Click(1, 1),), previous_mask=np.zeros((3, 3), bool)))
    with pytest.raises(RuntimeError, match="set_image"):
        SAM(method.net, device="cpu").predict(Prompts(clicks=(Click(1, 1),)))


def test_one_click_alone_has_three_answers_and_the_best_is_taken(method: SAM) -> None:
    one = Prompts(clicks=(Click(80.5, 60.5),))
    found = method.candidates(one)
    assert found.masks.shape == (3, 120, 170) and found.logits.shape == (3, 32, 32)
    best = int(np.argmax(found.scores))
    assert np.array_equal(method.predict(one).mask, found.masks[best])
    two = Prompts(clicks=(Click(80.5, 60.5), Click(20, 20, positive=False)))
    box = Prompts(box=(20, 20, 100, 90))
    refined = Prompts(clicks=one.clicks, previous_mask=found.masks[0])
    for clear in (two, box, refined):
        assert len(method.candidates(clear).masks) == 1
        assert len(method.candidates(clear, multimask=True).masks) == 3


def latest(sam: SAM) -> tuple[NDArray[np.bool_], NDArray[np.float32]]:
    """Mask and logits of the last answer."""
    return next(reversed(sam._answers.values()))


def test_another_object_between_two_clicks_changes_nothing(method: SAM) -> None:
    """A1, A2 on one object; then A1, B1 on another one, A2: as if B1 had never been."""
    a1, a2 = Click(80.5, 60.5), Click(20, 20, positive=False)
    b1, b2 = Click(40.5, 90.5), Click(150, 20, positive=False)

    def ask(before: NDArray[np.bool_] | None, *clicks: Click) -> NDArray[np.bool_]:
        return method.predict(Prompts(clicks=clicks, previous_mask=before)).mask

    method.set_image(picture((120, 170)))
    ask(ask(None, a1), a1, a2)
    alone = latest(method)[1]
    method.set_image(picture((120, 170)))
    first, other = ask(None, a1), ask(None, b1)
    second = ask(first, a1, a2)
    assert np.array_equal(latest(method)[1], alone)
    ask(other, b1, b2)
    ask(ask(second, a1, a2, b2), a1, a2, b2)  # a third click,
    ask(first, a1, a2)  # undone
    assert np.array_equal(latest(method)[1], alone)


def test_equal_masks_of_two_objects_are_told_apart(method: SAM) -> None:
    method.set_image(picture((120, 170)))
    empty, (a, b, c) = np.zeros((120, 170), bool), (Click(9, 9), Click(50, 9), Click(90, 90))
    for value, click in ((1, a), (2, b)):
        method._remember(((click,), None), empty, np.full((32, 32), -value, np.float32))
    for value, click in ((1, a), (2, b)):
        prompt = method._mask_prompt(Prompts(clicks=(click, c), previous_mask=empty))
        assert (prompt == -value).all()


def test_old_answers_are_forgotten(method: SAM) -> None:
    method.set_image(picture((120, 170)))
    for x in range(MOST_ANSWERS + 3):
        method._remember(((Click(x, 1),), None), np.zeros((120, 170), bool), np.zeros((32, 32)))
    assert len(method._answers) == MOST_ANSWERS
    assert next(iter(method._answers))[0][0].x == 3


def test_the_last_answer_goes_back_as_logits_and_another_mask_as_sure_ones(method: SAM) -> None:
    first = method.predict(Prompts(clicks=(Click(80.5, 60.5),)))
    two = (Click(80.5, 60.5), Click(20, 20, positive=False))
    refined = method.candidates(Prompts(clicks=two, previous_mask=first.mask))
    logits = torch.from_numpy(latest(method)[1])[None, None]
    points = torch.tensor(method.frame.to_input(np.array([[80.0, 60.0], [19.5, 19.5]])))
    with torch.inference_mode():
        expected, _ = method.net.decode(
            method._embedding,
            points=points[None].float(), labels=torch.tensor([[1, 0]]), masks=logits,
            multimask=False,
        )  # fmt: skip
    assert np.abs(refined.logits - expected[0].numpy()).max() < 1e-5
    other = first.mask.copy()
    other[:10] ^= True
    changed = method.candidates(Prompts(clicks=two, previous_mask=other))
    assert np.abs(changed.logits - refined.logits).max() > 1e-3


def test_a_mask_becomes_a_prompt_in_its_place() -> None:
    frame = Frame((60, 90), 180)  # twice as large in the input, which is filled up below
    mask = np.zeros((60, 90), bool)
    mask[20:40, 30:60] = True
    prompt = frame.mask_to_prompt(mask, torch.device("cpu"))[0, 0]
    expected = torch.full((45, 45), -8.0)
    expected[10:20, 15:30] = 8
    assert prompt.shape == (45, 45)
    inner = prompt[1:-1, 1:-1]
    # Only cells on the border mix inside and outside: antialiasing.
    assert float((inner - expected[1:-1, 1:-1]).abs().max()) <= 4
    assert ((prompt > 0) == (expected > 0)).all()


@pytest.mark.parametrize("size", SIZES)
def test_masks_come_back_as_in_two_plain_steps(size: tuple[int, int]) -> None:
    frame = Frame(size, 128)
    logits = torch.randn(2, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    height, width = frame.scaled
    assert max(height, width) == 128
    large = F.interpolate(logits, (128, 128), mode="bilinear")[..., :height, :width]
    expected = F.interpolate(large, size, mode="bilinear")
    assert frame.logits_to_image(logits).equal(expected)


def test_finer_patches_make_finer_masks() -> None:
    net = randomize(
        SegmentAnything(
            ViTSize(32, 2, 2, (1,), window=4, patch=8),
            channels=32,
            image_size=64,
            hidden=32,
            heads=4,
        ),
        gain=1.0,
    )
    sam = SAM(net, device="cpu")
    sam.set_image(picture((40, 50)))
    first = sam.candidates(Prompts(clicks=(Click(20.5, 20.5),)))
    assert first.masks.shape == (3, 40, 50) and first.logits.shape == (3, 32, 32)
    prompts = Prompts(clicks=(Click(20.5, 20.5),), previous_mask=~first.masks[0])
    assert sam.predict(prompts).mask.shape == (40, 50)


def test_a_network_may_see_images_of_another_size() -> None:
    """What lies in the same place of the image is asked about in the same place of the code."""
    net, large = small_net(), small_net()
    large.see(256)
    place = torch.tensor([[[31.5, 63.5]]])
    twice = (place + 0.5) * 2 - 0.5
    ones = torch.ones(1, 1).long()
    assert torch.allclose(
        net.prompts.embed_points(place, ones), large.prompts.embed_points(twice, ones), atol=1e-5
    )
    sam = SAM(large, device="cpu")
    sam.set_image(picture((100, 80)))
    found = sam.candidates(Prompts(clicks=(Click(20.5, 20.5),)))
    assert found.masks.shape == (3, 100, 80) and found.logits.shape == (3, 64, 64)
    with pytest.raises(ValueError, match="patches"):
        net.see(100)


def test_progress_is_told() -> None:
    told: list[float] = []
    sam = SAM(small_net(), device="cpu", progress=told.append)
    sam.set_image(picture((50, 60)))
    assert told == [0.5, 1.0]


def test_the_image_is_encoded_once(monkeypatch: pytest.MonkeyPatch, method: SAM) -> None:
    monkeypatch.setattr(method.net.encoder, "forward", lambda *_: pytest.fail("encoded again"))
    for x in (10.5, 90.5):
        method.predict(Prompts(clicks=(Click(x, 60.5),)))


@needs_references
@pytest.mark.parametrize("size", SIZES)
def test_the_authors_predictor_agrees(size: tuple[int, int]) -> None:
    encoder = ViTSize(64, 2, 2, (1,))
    theirs = official_sam(encoder, 128)
    with reference(CHECKOUT) as load:
        predictor = load("segment_anything.predictor").SamPredictor(theirs)
    sam = SAM(pair(theirs, encoder, 128), device="cpu")
    image = picture(size, seed=3)
    predictor.set_image(image)
    sam.set_image(image)
    clicks = (Click(20.5, 15.5), Click(30.25, 30.75, positive=False), Click(5.5, 9.5))
    places = np.array([(c.x, c.y) for c in clicks]) - 0.5
    labels = np.array([1, 0, 1])
    box = (4.0, 6.0, 33.0, 30.0)
    previous: tuple[NDArray[np.bool_], NDArray[np.float32]] | None = None
    for n, with_box in ((1, False), (1, True), (2, False), (3, True), (0, True)):
        prompts = Prompts(
            clicks=clicks[:n],
            box=box if with_box else None,
            previous_mask=previous[0] if previous and n else None,
        )
        found = sam.candidates(prompts)
        masks, scores, low = predictor.predict(
            places[:n] if n else None,
            labels[:n] if n else None,
            np.array(box) if with_box else None,
            previous[1][None] if previous and n else None,
            multimask_output=n == 1 and not with_box,
        )
        assert found.masks.shape == masks.shape
        assert np.abs(found.scores - scores).max() <= 1e-4
        assert np.abs(found.logits - low).max() <= 1e-4
        assert np.mean(found.masks != masks) <= 1e-4  # where a logit is 0 but for rounding
        sam.predict(prompts)
        previous = latest(sam)
