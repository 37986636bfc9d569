"""What every semantic network must do, whatever its method."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from tests.parity.helpers import random_images, randomize


def assert_answers_every_size(model: nn.Module, num_classes: int, sizes: list[tuple[int, int]]):
    """Logits (B, C, H, W) at the input's size, finite, whatever the size."""
    model.eval()
    for height, width in sizes:
        with torch.inference_mode():
            logits = model(random_images(2, 3, height, width))
        assert logits.shape == (2, num_classes, height, width)
        assert torch.isfinite(logits).all()


def assert_images_of_a_batch_do_not_meet(model: nn.Module, size: tuple[int, int]):
    images = random_images(3, 3, *size)
    randomize(model)
    with torch.inference_mode():
        together = model(images)
        alone = torch.cat([model(images[k : k + 1]) for k in range(3)])
    assert (together[0] - together[1]).abs().max() > 1e-3
    scale = together.std()
    torch.testing.assert_close(together / scale, alone / scale, atol=1e-3, rtol=0)


def assert_every_weight_learns(model: nn.Module, size: tuple[int, int]):
    """One backward pass reaches each parameter that is not frozen."""
    randomize(model)
    model.train()
    images = random_images(2, 3, *size)
    target = torch.randint(0, 3, (2, *size), generator=torch.Generator().manual_seed(0))
    nn.functional.cross_entropy(model(images), target).backward()
    for name, parameter in model.named_parameters():
        if parameter.requires_grad:
            assert parameter.grad is not None, f"{name} got no gradient"
            assert torch.isfinite(parameter.grad).all(), name
        else:
            assert parameter.grad is None, name


def assert_exports(model: nn.Module, images: Tensor):
    """torch.export traces the network without a graph break, and the graph answers the same."""
    randomize(model)
    exported = torch.export.export(model, (images,)).module()
    with torch.inference_mode():
        theirs, ours = exported(images), model(images)
    torch.testing.assert_close(theirs / ours.std(), ours / ours.std(), atol=1e-3, rtol=0)


def half_precision_megabytes(model: nn.Module) -> float:
    """Size of a checkpoint in half precision, statistics included."""
    return sum(value.numel() for value in model.state_dict().values()) * 2 / 2**20
