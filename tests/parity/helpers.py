"""What every parity test does: random weights, our converter, the largest difference.

A reference is built, its weights and its batch-norm statistics are made random (defaults such as a
running mean of zero would hide a swapped or forgotten tensor), our converter carries them over,
`strict=True` proves that none is missing or left, and both networks see the same images.
"""

from __future__ import annotations

import importlib
import json
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any
from unittest import mock

import torch
from torch import Tensor, nn

from tests.requirements_of_machine import checkout as folder_of

MANIFESTS = Path(__file__).parent / "manifests"
TOLERANCE = 1e-4


def randomize(model: nn.Module, seed: int = 0, gain: float = 1.5) -> nn.Module:
    """Give every parameter and statistic of a model a random value, in place; eval mode.

    Weights are scaled by their fan-in, so that activations neither vanish nor explode on the way
    through a deep network; normalisation layers get factors near 1 and variances in 0.5 … 1.5.

    Args:
        model: any.
        seed: of the random numbers.
        gain: variance that a convolution multiplies; below 1 for networks that add up residuals.
    """
    generator = torch.Generator().manual_seed(seed)

    def uniform(tensor: Tensor, low: float, high: float) -> None:
        tensor.copy_(torch.rand(tensor.shape, generator=generator) * (high - low) + low)

    with torch.no_grad():
        for module in model.modules():
            for name, parameter in module.named_parameters(recurse=False):
                if parameter.ndim >= 2:
                    fan_in = parameter[0].numel()
                    noise = torch.randn(parameter.shape, generator=generator)
                    parameter.copy_(noise * (gain / fan_in) ** 0.5)
                elif name == "weight":  # of a normalisation layer
                    uniform(parameter, 0.7, 1.3)
                else:
                    uniform(parameter, -0.2, 0.2)
            for name, buffer in module.named_buffers(recurse=False):
                if name.endswith("running_var"):
                    uniform(buffer, 0.5, 1.5)
                elif name.endswith("running_mean"):
                    uniform(buffer, -0.3, 0.3)
    return model.eval()


def random_images(*shape: int, seed: int = 1) -> Tensor:
    """Images as a network sees them after normalisation: standard normal, float32."""
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def max_abs_difference(ours: Tensor, theirs: Tensor) -> float:
    """Largest absolute difference of two tensors of one shape.

    Raises:
        AssertionError: shapes differ, or the reference says nothing (constant or not finite).
    """
    assert ours.shape == theirs.shape, f"ours {tuple(ours.shape)}, theirs {tuple(theirs.shape)}"
    assert torch.isfinite(theirs).all(), "the reference is not finite: choose other weights"
    assert theirs.std() > 1e-3, "the reference is (nearly) constant: the comparison says nothing"
    return float((ours - theirs).abs().max())


def assert_same(
    ours: nn.Module | Callable[[Tensor], Tensor],
    theirs: nn.Module | Callable[[Tensor], Tensor],
    images: Tensor,
    tolerance: float = TOLERANCE,
) -> float:
    """Assert that two networks in eval mode agree on images; the difference is returned."""
    for model in (ours, theirs):
        if isinstance(model, nn.Module):
            model.eval()
    with torch.inference_mode():
        difference = max_abs_difference(ours(images), theirs(images))
    assert difference <= tolerance, f"differ by {difference:.2e}, allowed {tolerance:.0e}"
    return difference


def assert_same_but_for_ties(
    ours: Callable[[Tensor], Tensor], theirs: Callable[[Tensor], Tensor], images: Tensor
) -> None:
    """Assert that two networks which unpool agree.

    Where the two largest values of a pooling window agree to seven digits, the last bit decides
    which is the maximum, and unpooling then puts a value one pixel aside: one in a million windows,
    but all logits below it change a little. So both choose their maxima, those must be the same in
    all but 3 + 1e-5 of the windows, and then ours runs once more with theirs.
    """
    pool = nn.functional.max_pool2d
    found: dict[str, list[Tensor]] = {"ours": [], "theirs": []}

    def recorder(name: str) -> Callable[..., Any]:
        def record(x: Tensor, *args: Any, **options: Any) -> Any:
            pooled = pool(x, *args, **options)
            found[name].append(pooled[1])
            return pooled

        return record

    def replay(x: Tensor, *args: Any, **options: Any) -> tuple[Tensor, Tensor]:
        indices = next(given)
        return x.flatten(2).gather(2, indices.flatten(2)).view(indices.shape), indices

    given = iter(found["theirs"])
    functions = torch.nn.functional
    with torch.inference_mode():
        with mock.patch.object(functions, "max_pool2d", recorder("theirs")):
            expected = theirs(images)
        with mock.patch.object(functions, "max_pool2d", recorder("ours")):
            ours(images)
        with mock.patch.object(functions, "max_pool2d", replay):
            difference = max_abs_difference(ours(images), expected)
    assert len(found["ours"]) == len(found["theirs"]) > 0
    for mine, other in zip(found["ours"], found["theirs"], strict=True):
        assert int((mine != other).sum()) <= 3 + 1e-5 * mine.numel(), "other maxima were chosen"
    assert difference <= TOLERANCE, f"differ by {difference:.2e}"


def count_parameters(model: nn.Module) -> int:
    """Number of parameters, buffers not counted."""
    return sum(parameter.numel() for parameter in model.parameters())


def read_manifest(name: str) -> dict[str, tuple[int, ...]]:
    """Names and shapes of a reference's state dict, from `manifests/<name>.json`."""
    content = json.loads((MANIFESTS / f"{name}.json").read_text())
    return {key: tuple(shape) for key, shape in content.items()}


def write_manifest(name: str, state: Mapping[str, Any]) -> None:
    """Write names and shapes of a reference's state dict; one line each."""
    lines = [f"  {json.dumps(key)}: {list(value.shape)}" for key, value in state.items()]
    MANIFESTS.mkdir(exist_ok=True)
    (MANIFESTS / f"{name}.json").write_text("{\n" + ",\n".join(lines) + "\n}\n")


def assert_converts(
    manifest: str, convert: Callable[[dict[str, Tensor]], dict[str, Tensor]], model: nn.Module
) -> None:
    """Assert that a converter takes every name of a manifest to a target of the same size.

    Every tensor is filled with a number of its own, so that two sources of one target, or a source
    that is dropped, are noticed; the model must load the result with `strict=True`. A model made
    under `torch.device("meta")` needs no memory.
    """
    shapes = read_manifest(manifest)
    state = {key: torch.tensor(float(n)).expand(s) for n, (key, s) in enumerate(shapes.items(), 1)}
    converted = convert(dict(state))
    wanted = {key: value.shape for key, value in model.state_dict().items()}
    model.load_state_dict(converted, strict=True, assign=True)
    got = {key: value.shape for key, value in model.state_dict().items()}
    assert got == wanted, "the converter changes a shape"
    reached = set()
    for value in converted.values():
        constant = not any(value.stride())
        reached |= {float(v) for v in (value.flatten()[:1] if constant else value.unique())}
    lost = [key for n, key in enumerate(shapes, 1) if n not in reached]
    lost = [key for key in lost if not key.endswith("num_batches_tracked")]
    assert not lost, f"the converter drops {lost}"


@contextmanager
def reference(checkout: str, *folders: str) -> Iterator[Callable[[str], ModuleType]]:
    """Give a function that imports modules of a checkout in `SEGEDU_REFERENCES`.

    What the checkout imports under short names (`utils`, `models`) is forgotten afterwards, so that
    the next reference finds its own.

    Args:
        checkout: owner+name.
        folders: within the checkout, put on the path; its root when none is named.

    Raises:
        MissingCheckoutError: it is not there; a test then skips.
    """
    root = folder_of(checkout)
    paths = [str(root / folder) for folder in folders] or [str(root)]
    before = set(sys.modules)
    sys.path[:0] = paths
    try:
        yield importlib.import_module
    finally:
        del sys.path[: len(paths)]
        # A folder without __init__.py is a package too: it has places instead of a file. They are
        # looked up in the package above, so the innermost go first.
        for name in sorted(set(sys.modules) - before, reverse=True):
            spec = getattr(sys.modules[name], "__spec__", None)
            places = [spec.origin, *(spec.submodule_search_locations or ())] if spec else []
            if any(str(place).startswith(str(root)) for place in places):
                del sys.modules[name]
