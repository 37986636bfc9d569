"""The parts of training: schedules, moving average, stream of samples, optimizer, evaluation."""

from __future__ import annotations

import copy
import dataclasses
import math

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.optim import SGD
from torch.optim.lr_scheduler import CosineAnnealingLR, LinearLR, PolynomialLR
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn
from torch.utils.data import TensorDataset

from segedu.layers.normalization import CAFFE_BGR
from segedu.semantic.metrics import ConfusionMatrix, boundary_f
from segedu.training import semantic_scores
from segedu.training.evaluation import normalized
from segedu.training.run import make_optimizer
from segedu.training.schedules import MovingAverage, learning_rate_factor
from segedu.training.stream import Stream, batches, seed_of
from tests.training.toy import TOY, rectangles, tiny_net


@pytest.mark.parametrize("schedule", ["poly", "cosine", "constant"])
def test_schedules_are_torchs(schedule: str) -> None:
    steps = 50
    optimizer = SGD([nn.Parameter(torch.zeros(1))], lr=1.0)
    theirs = {
        "poly": lambda: PolynomialLR(optimizer, steps, power=0.9),
        "cosine": lambda: CosineAnnealingLR(optimizer, steps),
        "constant": lambda: LinearLR(optimizer, 1.0, 1.0),
    }[schedule]()
    for step in range(steps):
        ours = learning_rate_factor(step, steps, schedule)
        assert ours == pytest.approx(optimizer.param_groups[0]["lr"], abs=1e-9)
        assert 0 < ours <= 1
        optimizer.step()
        theirs.step()


def test_warmup_rises_to_the_schedule() -> None:
    factors = [learning_rate_factor(step, 100, "constant", warmup=4) for step in range(6)]
    assert factors == pytest.approx([0.2, 0.4, 0.6, 0.8, 1, 1])
    with pytest.raises(ValueError, match="schedule must be"):
        learning_rate_factor(0, 10, "linear")


def test_moving_average_is_torchs_once_warm() -> None:
    torch.manual_seed(0)
    net = tiny_net(3)
    ours = MovingAverage(net, 0.5)
    theirs = AveragedModel(net, multi_avg_fn=get_ema_multi_avg_fn(0.5), use_buffers=True)
    theirs.update_parameters(net)
    for step in range(20, 30):  # by then 0.5 is the smaller decay
        with torch.no_grad():
            for parameter in net.parameters():
                parameter += torch.randn_like(parameter)
        net(torch.rand(2, 3, 8, 8))
        ours.update(net, step)
        theirs.update_parameters(net)
    for name, value in ours.model.state_dict().items():
        if value.is_floating_point():
            torch.testing.assert_close(value, theirs.module.state_dict()[name])


def test_the_first_average_forgets_the_random_start() -> None:
    net = nn.Linear(1, 1, bias=False)
    average = MovingAverage(net, 0.999)
    start, moved = copy.deepcopy(net.weight.data), torch.full((1, 1), 5.0)
    net.weight.data.copy_(moved)
    average.update(net, 1)
    torch.testing.assert_close(average.model.weight, 0.1 * start + 0.9 * moved)


class Numbers(torch.utils.data.Dataset[Tensor]):
    def __len__(self) -> int:
        return 7

    def __getitem__(self, i: int) -> Tensor:
        return torch.tensor([float(i), float(torch.rand(()))])


def samples(**options: int) -> list[list[float]]:
    settings = {"seed": 1, "batch": 4, "start": 0, "steps": 5} | options
    return [row for batch in batches(Numbers(), **settings) for row in batch.tolist()]


def test_every_epoch_has_every_image_once_in_another_order() -> None:
    order = [int(i) for i, _ in samples(steps=7)]
    epochs = [order[n : n + 7] for n in range(0, 28, 7)]
    assert all(sorted(epoch) == list(range(7)) for epoch in epochs)
    assert len({tuple(epoch) for epoch in epochs}) == 4
    assert order != [int(i) for i, _ in samples(steps=7, seed=2)]


def test_samples_depend_on_their_number_alone() -> None:
    whole = samples()
    assert samples(start=2) == whole[8:]
    assert samples(workers=2) == whole
    torch.manual_seed(99)
    torch.rand(5)
    assert samples() == whole
    shares = [samples(process=r, processes=2) for r in range(2)]
    for step in range(5):
        pieces = shares[0][2 * step : 2 * step + 2] + shares[1][2 * step : 2 * step + 2]
        assert pieces == whole[4 * step : 4 * step + 4]
    randoms = [value for _, value in whole]
    assert len(set(randoms)) == len(randoms)  # augmentation differs from epoch to epoch


def test_streams_of_seeds_differ() -> None:
    seeds = {seed_of(s, stream, n, p) for s in range(3) for stream in range(3) for n in range(20)
             for p in range(2)}  # fmt: skip
    assert len(seeds) == 3 * 3 * 20 * 2
    assert max(seeds) < 2**63
    assert Stream(Numbers(), 0).index(3) == Stream(Numbers(), 0).index(3)


def test_parameters_are_grouped() -> None:
    net = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.Conv2d(4, 2, 1))
    recipe = dataclasses.replace(TOY, lr_factors={"2.": 10.0}, weight_decay=0.3)
    groups = {
        (group["factor"], group["weight_decay"]): len(group["params"])
        for group in make_optimizer(net, recipe).param_groups
    }
    # Of the first convolution and of batch normalisation 1 kernel and 3 vectors; of the last 1, 1.
    assert groups == {(1.0, 0.3): 1, (1.0, 0.0): 3, (10.0, 0.3): 1, (10.0, 0.0): 1}
    with pytest.raises(ValueError, match="head"):
        make_optimizer(net, dataclasses.replace(recipe, lr_factors={"head.": 10}))
    assert isinstance(make_optimizer(net, dataclasses.replace(recipe, optimizer="sgd")), SGD)


def test_semantic_scores_are_those_of_the_metrics() -> None:
    torch.manual_seed(0)
    splits, net = rectangles(), tiny_net(3).train()
    scores = semantic_scores(net, splits.test, splits.classes, device="cpu", batch=4,
                             boundaries=True)  # fmt: skip
    assert net.training
    net.eval()
    matrix, contours, losses = ConfusionMatrix(3), [], []
    for image, target in (splits.test[i] for i in range(len(splits.test))):
        logits = net(image[None])
        prediction = logits.argmax(dim=1)[0]
        matrix.update(prediction, target)
        contours.append(boundary_f(prediction, target, 3)[0])
        losses.append(nn.functional.cross_entropy(logits, target[None]).item())
    want = matrix.compute()
    assert scores["miou"] == pytest.approx(want["miou"])
    assert scores["boundary_f"] == pytest.approx(np.mean(contours))
    assert scores["loss"] == pytest.approx(np.mean(losses), rel=1e-5)
    assert scores["iou/blue"] == pytest.approx(float(want["iou"][2]), nan_ok=True)


def test_parts_of_processes_add_up() -> None:
    torch.manual_seed(0)
    splits, net = rectangles(), tiny_net(3).eval()
    options = {"device": "cpu", "batch": 2}
    sums: list[list[Tensor]] = [[], []]
    for process in range(2):

        def keep(x: Tensor, process: int = process) -> Tensor:
            sums[process].append(x.clone())
            return x

        semantic_scores(net, splits.test, splits.classes, process=process, processes=2,
                        reduce=keep, **options)  # fmt: skip
    whole: list[Tensor] = []
    semantic_scores(net, splits.test, splits.classes,
                    reduce=lambda x: whole.append(x.clone()) or x, **options)  # fmt: skip
    for a, b, both in zip(*sums, whole, strict=True):
        torch.testing.assert_close(a + b, both)


def test_images_are_normalised_as_the_network_says() -> None:
    net, images = nn.Identity(), torch.rand(1, 3, 2, 2)
    assert normalized(net, images) is images
    net.normalization = CAFFE_BGR
    assert torch.equal(normalized(net, images), CAFFE_BGR.apply(images))


def test_an_image_without_any_class_does_not_spoil_the_scores() -> None:
    data = TensorDataset(torch.rand(2, 3, 8, 8), torch.full((2, 8, 8), 255))
    scores = semantic_scores(tiny_net(3), data, ("a", "b", "c"), device="cpu")
    assert math.isnan(scores["miou"])
