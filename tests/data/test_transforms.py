from __future__ import annotations

import numpy as np
import pytest
import torch
from torchvision import tv_tensors

from segedu.data.scenes import SceneDataset
from segedu.data.transforms import (
    RandomScale,
    SemanticDataset,
    evaluation_transforms,
    resize,
    training_transforms,
)

PLAIN = {"brightness": 0.0, "contrast": 0.0, "saturation": 0.0, "hue": 0.0}


def coded(height: int, width: int) -> tuple[tv_tensors.Image, tv_tensors.Mask]:
    """An image whose red says the label, so that both can be compared after any geometry."""
    labels = torch.randint(1, 11, (height // 8, width // 8)).repeat_interleave(8, 0)
    labels = labels.repeat_interleave(8, 1)
    image = torch.stack([labels * 0.05, labels * 0.0, labels * 0.0]).float()
    return tv_tensors.Image(image), tv_tensors.Mask(labels)


@pytest.mark.parametrize("seed", range(8))
def test_image_and_labels_move_together(seed: int) -> None:
    torch.manual_seed(seed)
    image, labels = training_transforms((64, 64), scale=(0.5, 2.0), **PLAIN)(*coded(64, 96))
    assert image.shape == (3, 64, 64)
    assert labels.shape == (64, 64)
    assert image.dtype == torch.float32
    assert labels.dtype == torch.int64
    inside = labels != 255
    assert inside.any()
    # Apart from pixels blended at borders of the blocks, the red still says the label; were only
    # one of both mirrored or moved by a block, a tenth would agree.
    error = (image[0] - labels * 0.05).abs()[inside]
    assert (error < 0.011).float().mean() > 0.5
    assert image[0][~inside].eq(0).all()


def test_padding_is_ignored() -> None:
    _, labels = training_transforms((40, 40), scale=(0.25, 0.25), **PLAIN)(*coded(64, 64))
    assert int((labels != 255).sum()) == 16 * 16


def test_flip_mirrors_both() -> None:
    image, labels = coded(16, 24)
    flipped, target = training_transforms((16, 24), scale=(1, 1), flip=1.0, **PLAIN)(image, labels)
    assert torch.equal(flipped, image.flip(-1))
    assert torch.equal(target, labels.flip(-1))


def test_colour_jitter_leaves_labels_alone() -> None:
    image, labels = coded(16, 24)
    changed, target = training_transforms((16, 24), scale=(1, 1), flip=0.0)(image, labels)
    assert torch.equal(target, labels)
    assert not torch.equal(changed, image)


def test_labels_are_resized_about_pixel_centres() -> None:
    labels = tv_tensors.Mask(torch.arange(6)[None].expand(2, 6).contiguous())
    # Six pixels to three: centres fall between 0 and 1, 2 and 3, 4 and 5; to two: on 1 and 4.
    assert resize(labels, (2, 2))[0].tolist() == [1, 4]
    assert resize(labels, (2, 12))[0].tolist() == [0, 0, 1, 1, 2, 2, 3, 3, 4, 4, 5, 5]


def test_evaluation_changes_nothing_but_the_size() -> None:
    image = tv_tensors.Image(torch.randint(0, 256, (3, 10, 20), dtype=torch.uint8))
    labels = tv_tensors.Mask(torch.randint(0, 19, (10, 20)))
    same, target = evaluation_transforms()(image, labels)
    assert torch.allclose(same, image.float() / 255)
    assert torch.equal(target, labels)
    small, target = evaluation_transforms((5, 10))(image, labels)
    assert small.shape == (3, 5, 10)
    assert target.shape == (5, 10)


def test_wrong_scales_are_named() -> None:
    with pytest.raises(ValueError, match="0 < low <= high, got 2 and 1"):
        RandomScale(2, 1)


def test_datasets_take_transforms() -> None:
    data = SceneDataset(range(3), (64, 128), training_transforms((48, 48)))
    image, target = data[1]
    assert type(image) is torch.Tensor is type(target)
    assert image.shape == (3, 48, 48)
    assert target.shape == (48, 48)
    assert target.dtype == torch.int64
    assert len(set(target.flatten().tolist()) - {255}) > 1


def test_any_reader_becomes_a_dataset() -> None:
    class Sample:
        image = np.zeros((8, 9, 3), np.uint8)
        labels = np.full((8, 9), 4, np.uint8)

    data = SemanticDataset([Sample(), Sample()])
    image, target = data[1]
    assert len(data) == 2
    assert image.shape == (3, 8, 9)
    assert target.dtype == torch.int64
    assert (target == 4).all()
