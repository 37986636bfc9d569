"""Samples as a function of their number: what makes a run repeatable and resumable.

Sample n of a run is image permutation_e(n mod N) of epoch e = n // N, augmented with random numbers
that depend on the seed and n alone. There is no state to save: a run that resumes at step s goes on
with sample s x batch. Workers and processes change nothing either: process r of R takes its part of
every batch.
"""

from __future__ import annotations

import hashlib
import signal
from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, Sampler

ORDER, AUGMENTATION, STEP = range(3)  # independent random streams of a run
SECONDS_AFTER_SIGTERM = 30


def seed_of(seed: int, stream: int, n: int, process: int = 0) -> int:
    """A 63-bit seed for item n of a random stream."""
    words = np.random.SeedSequence([seed, stream, n, process]).generate_state(2)
    return int(words[0]) | (int(words[1]) & 0x7FFFFFFF) << 32


class Stream(Dataset[Any]):
    """A data set without end: item n is sample n of the run."""

    def __init__(self, dataset: Dataset[Any], seed: int) -> None:
        """Begin the run's sequence of samples.

        Args:
            dataset: has a length; its random transforms draw from torch's generator, as those of
                torchvision.transforms.v2 do.
            seed: of the run.
        """
        self.dataset, self.seed = dataset, seed
        self.length = len(dataset)  # type: ignore[arg-type]
        self._epoch, self._order = -1, torch.empty(0)

    def index(self, n: int) -> int:
        """Which item of the data set is sample n."""
        epoch, i = divmod(n, self.length)
        if epoch != self._epoch:
            generator = torch.Generator().manual_seed(seed_of(self.seed, ORDER, epoch))
            self._epoch, self._order = epoch, torch.randperm(self.length, generator=generator)
        return int(self._order[i])

    def __getitem__(self, n: int) -> Any:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed_of(self.seed, AUGMENTATION, n))
            return self.dataset[self.index(n)]


class Positions(Sampler[int]):
    """The numbers of one process's samples, batch after batch, from a step on."""

    def __init__(self, start: int, steps: int, batch: int, process: int, processes: int) -> None:
        self.start, self.steps, self.batch = start, steps, batch
        self.process, self.share = process, batch // processes

    def __iter__(self) -> Iterator[int]:
        for step in range(self.start, self.steps):
            first = step * self.batch + self.process * self.share
            yield from range(first, first + self.share)

    def __len__(self) -> int:
        return max(0, self.steps - self.start) * self.share


def outlive_signals(worker: int) -> None:
    """For a worker: Ctrl-C and SIGTERM reach it too, but its main process ends its step first."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    # Not ignored: with SIGTERM the loader ends workers that hang, and Python those that are left.
    signal.signal(signal.SIGTERM, lambda *_: signal.alarm(SECONDS_AFTER_SIGTERM))


def batches(
    dataset: Dataset[Any],
    *,
    seed: int,
    batch: int,
    start: int,
    steps: int,
    process: int = 0,
    processes: int = 1,
    workers: int = 0,
    pin_memory: bool = False,
) -> DataLoader[Any]:
    """One process's part of the batches of steps start … steps-1.

    Args:
        dataset: the training images.
        seed: of the run.
        batch: images a step, over all processes; a multiple of `processes`.
        start: the first step.
        steps: the step to stop before.
        process: this one, 0 … processes-1.
        processes: how many there are.
        workers: how many worker processes load images; 0 loads them here.
        pin_memory: for a GPU.
    """
    return DataLoader(
        Stream(dataset, seed),
        batch_size=batch // processes,
        sampler=Positions(start, steps, batch, process, processes),
        num_workers=workers,
        pin_memory=pin_memory,
        worker_init_fn=outlive_signals,
        generator=torch.Generator(),  # the loader's own draws stay out of the global generator
    )


def fingerprint(dataset: Dataset[Any], n: int = 4) -> str:
    """A hash of the first images and targets: the same data give the same, other data another.

    Images count as 8-bit values, so that the last bit of a float does not matter.
    """
    digest = hashlib.sha256()
    for i in range(min(n, len(dataset))):  # type: ignore[arg-type]
        image, target = dataset[i]
        digest.update((image * 255).round().to(torch.uint8).numpy().tobytes())
        digest.update(target.numpy().astype(np.uint8).tobytes())
    return digest.hexdigest()[:16]


def to_device(item: Any, device: torch.device) -> Any:
    """Move the tensors of a batch, in tuples and dictionaries too."""
    if isinstance(item, Tensor):
        return item.to(device, non_blocking=True)
    if isinstance(item, dict):
        return {key: to_device(value, device) for key, value in item.items()}
    if isinstance(item, list | tuple):
        return type(item)(to_device(value, device) for value in item)
    return item
