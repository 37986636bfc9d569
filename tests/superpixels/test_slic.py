from __future__ import annotations

import importlib
import itertools
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest
import skimage.data
import skimage.segmentation
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from segedu.data.bsds import BSDS500
from segedu.images import as_float, rgb_to_lab_array
from segedu.superpixels import slic, slic_fast, slic_steps
from segedu.superpixels.connectivity import connected_pieces
from segedu.superpixels.metrics import (
    boundary_recall,
    compactness,
    explained_variation,
    undersegmentation_error,
)
from segedu.superpixels.slic_kernels import lab_from_uint8
from tests.requirements_of_machine import SHARED_DATA, needs_cuda, needs_shared_data

# `segedu.superpixels.slic` is the function; this is the module of the same name.
module = importlib.import_module("segedu.superpixels.slic")
Image = NDArray[Any]


def photograph(step: int = 2) -> Image:
    return np.ascontiguousarray(skimage.data.astronaut()[::step, ::step])


def noise(height: int, width: int, seed: int = 0) -> Image:
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)


def raw(image: Image, **arguments: Any) -> Image:
    """The fast version's labels before connectivity."""
    return slic(image, enforce_connectivity=False, device="cpu", **arguments)


def readable(image: Image, **arguments: Any) -> Image:
    """The readable version's labels."""
    *_, last = slic_steps(image, **arguments)
    return last.labels.numpy()


# The fast version is the readable one.


@pytest.mark.parametrize("slico", [False, True])
@pytest.mark.parametrize(("n_segments", "m"), [(1, 10.0), (40, 10.0), (250, 3.0), (1000, 40.0)])
@pytest.mark.parametrize("convert", [np.asarray, as_float])
def test_fast_equals_readable_label_for_label(
    n_segments: int, m: float, slico: bool, convert: Callable[[Image], Image]
) -> None:
    image = convert(photograph(3))
    arguments = {"n_segments": n_segments, "compactness": m, "slico": slico}
    np.testing.assert_array_equal(raw(image, **arguments), readable(image, **arguments))


def test_bytes_give_what_floats_give_up_to_ties() -> None:
    # The conversion from bytes takes cube roots, the one from floats powers. They differ in the
    # last bits of float32, which turns over pixels as far from one centre as from another, and
    # through the means a few more.
    image = photograph()
    np.testing.assert_allclose(
        lab_from_uint8(image).transpose(1, 2, 0), rgb_to_lab_array(image), atol=2e-4
    )
    assert (raw(image) != raw(as_float(image))).mean() < 1e-3


@settings(max_examples=40, deadline=None)
@given(
    st.tuples(st.integers(1, 30), st.integers(1, 30)),
    st.floats(0, 1),
    st.floats(1, 100),
    st.booleans(),
    st.integers(0, 100),
)
def test_fast_equals_readable_on_noise(
    size: tuple[int, int], part: float, m: float, slico: bool, seed: int
) -> None:
    image = as_float(noise(*size, seed))
    n_segments = max(1, round(part * size[0] * size[1]))
    arguments = {"n_segments": n_segments, "compactness": m, "slico": slico}
    np.testing.assert_array_equal(raw(image, **arguments), readable(image, **arguments))


@pytest.mark.parametrize("tolerance", [0.0, 0.7])
@pytest.mark.parametrize("slico", [False, True])
def test_the_batch_in_torch_equals_the_kernels(slico: bool, tolerance: float) -> None:
    # What runs on CUDA, run here on the CPU.
    images = [as_float(noise(40, 52, seed)) for seed in range(2)] + [
        as_float(photograph(8))[:40, :52]
    ]
    grid = module.Grid.over(40, 52, 30)
    arguments = images, grid, 10.0, 12, tolerance, slico
    ours = slic_fast._slic_torch(*arguments, torch.device("cpu"))
    for (labels, lab), (want, want_lab) in zip(ours, slic_fast._slic_cpu(*arguments), strict=True):
        np.testing.assert_array_equal(labels, want)
        np.testing.assert_allclose(lab, want_lab, atol=1e-4)


@needs_cuda
@pytest.mark.parametrize("slico", [False, True])
def test_cuda_equals_the_kernels_up_to_ties(slico: bool) -> None:
    images = np.stack([photograph(), photograph()[::-1]])
    ours = slic(images, slico=slico, enforce_connectivity=False, device="cuda")
    want = slic(images, slico=slico, enforce_connectivity=False, device="cpu")
    assert ours.dtype == np.int32
    assert (ours != want).mean() < 1e-3
    connected = slic(images, slico=slico, device="cuda")
    for labels in connected:
        assert connected_pieces(labels)[1] == labels.max() + 1
    np.testing.assert_array_equal(slic(images[0], slico=slico, device="cuda"), connected[0])


# Every step is what the paper says.


def test_seeds_avoid_edges_and_stay_on_flat_ground() -> None:
    lab = torch.zeros(1, 3, 20, 20)
    grid = module.Grid.over(20, 20, 4)
    flat = module.seed_centers(lab, grid)[0]
    np.testing.assert_array_equal(flat[:, 3:], [[4, 4], [14, 4], [4, 14], [14, 14]])
    lab[0, 0, :, 4] = 50  # a line through the left seeds: columns 3 and 5 have the gradient
    lab[0, 1, :, 15:] = 30  # a step beside the right seeds: columns 14 and 15 have it
    moved = module.seed_centers(lab, grid)[0]
    # The line's own middle is flat to central differences, so those seeds stay.
    np.testing.assert_array_equal(moved[:, 3:], [[4, 4], [13, 3], [4, 14], [13, 13]])
    np.testing.assert_array_equal(moved[:, :3], [[50, 0, 0], [0, 0, 0], [50, 0, 0], [0, 0, 0]])


def test_assignment_equals_the_literal_distance() -> None:
    rng = np.random.default_rng(5)
    lab = rng.integers(0, 100, (3, 18, 21)).astype(np.float32)
    grid = module.Grid.over(18, 21, 9)
    m, spacing = 10.0, grid.spacing
    centers = module.seed_centers(torch.from_numpy(lab)[None], grid)
    centers[0, 4, 3] += 0.5 * spacing  # one that has moved
    labels, squared = module.assign_pixels(
        torch.from_numpy(lab)[None], centers, grid, torch.ones(1, 9), (m / spacing) ** 2
    )
    for (y, x), label in np.ndenumerate(labels[0].numpy()):
        offers = {}
        for k, (l_, a, b, cx, cy) in enumerate(centers[0].double().numpy()):
            if abs(x - cx) <= spacing and abs(y - cy) <= spacing:
                d_c = np.linalg.norm(lab[:, y, x] - [l_, a, b])
                d_s = np.hypot(x - cx, y - cy)
                offers[k] = np.sqrt(d_c**2 + (d_s / spacing) ** 2 * m**2)
        assert offers[label] == pytest.approx(min(offers.values()), rel=1e-5)
        assert squared[0, y, x].sqrt().item() == pytest.approx(offers[label], rel=1e-5)


def test_update_takes_means_and_leaves_empty_centres() -> None:
    lab = torch.arange(3 * 2 * 3, dtype=torch.float32).view(1, 3, 2, 3)
    labels = torch.tensor([[[0, 0, -1], [0, 2, 2]]], dtype=torch.int32)
    centers = torch.full((1, 3, 5), 7.0)
    new, residual = module.update_centers(lab, labels, centers)
    want = [[4 / 3, 22 / 3, 40 / 3, 1 / 3, 1 / 3], [7] * 5, [4.5, 10.5, 16.5, 1.5, 1]]
    np.testing.assert_allclose(new[0], want, rtol=1e-6)
    moved = np.abs(np.array(want)[:, 3:] - 7).sum() / 3
    assert residual.item() == pytest.approx(moved, rel=1e-6)


def test_slico_divides_by_the_largest_color_distance() -> None:
    lab = torch.zeros(1, 3, 1, 6)
    lab[0, :, 0] = torch.tensor([[0.0, 3, 0, 10, 10, 0], [0, 4, 0, 0, 0, 0], [0, 0, 0, 0, 5, 0]])
    labels = torch.tensor([[[0, 0, 0, 1, 1, -1]]], dtype=torch.int32)
    centers = torch.zeros(1, 3, 5)
    centers[0, 1, 0] = 10
    got = module.largest_color_distance(lab, labels, centers)
    np.testing.assert_array_equal(got, [[25, 25, 0]])


def test_steps_count_and_converge() -> None:
    states = list(slic_steps(photograph(4), 60, max_iterations=12))
    assert [state.iteration for state in states] == list(range(len(states)))
    assert (states[0].labels == -1).all()
    assert np.isinf(states[0].residual)
    assert torch.isinf(states[0].distance).all()
    assert states[0].centers.shape == (len(states[0].centers), 5)
    assert states[1].residual > 4 * states[-1].residual
    for before, after in itertools.pairwise(states[1:]):
        moved = (after.centers - before.centers)[:, 3:].abs().sum(dim=1).mean()
        assert after.residual == pytest.approx(moved.item(), rel=1e-4)


def test_steps_own_their_tensors() -> None:
    # A caller who keeps the states, as the widget does, must not see them change.
    steps = slic_steps(photograph(8), 20, max_iterations=4)
    kept, copies = [], []
    for state in steps:
        kept.append(state)
        copies.append((state.centers.clone(), state.labels.clone()))
    for state, (centers, labels) in zip(kept, copies, strict=True):
        assert torch.equal(state.centers, centers)
        assert torch.equal(state.labels, labels)


def test_tolerance_stops_both_versions_at_the_same_iteration() -> None:
    image = as_float(photograph(4))
    states = list(slic_steps(image, 60, max_iterations=50, tolerance=0.3))
    assert 2 < len(states) < 50
    assert states[-1].residual <= 0.3 < states[-2].residual
    stopped = raw(image, n_segments=60, max_iterations=50, tolerance=0.3)
    np.testing.assert_array_equal(stopped, states[-1].labels)
    exactly = raw(image, n_segments=60, max_iterations=len(states) - 1)
    np.testing.assert_array_equal(stopped, exactly)


# The result is what it promises.


def assert_superpixels(labels: Image, shape: tuple[int, int], at_most: int) -> None:
    assert labels.dtype == np.int32
    assert labels.shape == shape
    pieces, n = connected_pieces(labels)
    np.testing.assert_array_equal(labels, pieces)  # connected, 0 … K-1 in reading order
    assert 1 <= n <= at_most


@settings(max_examples=60, deadline=None)
@given(
    st.tuples(st.integers(1, 40), st.integers(1, 40)),
    st.floats(0, 1),
    st.floats(1e-6, 1e6),
    st.booleans(),
    st.booleans(),
)
def test_labels_are_connected_and_complete(
    size: tuple[int, int], part: float, m: float, slico: bool, flat: bool
) -> None:
    image = np.full((*size, 3), 90, np.uint8) if flat else noise(*size)
    n_segments = max(1, round(part * size[0] * size[1]))
    labels = slic(image, n_segments, m, slico=slico, max_iterations=3, device="cpu")
    assert_superpixels(labels, size, n_segments)


@pytest.mark.parametrize("n_segments", [20, 250, 1000])
@pytest.mark.parametrize("slico", [False, True])
def test_the_number_is_close_to_what_was_asked(n_segments: int, slico: bool) -> None:
    for image in (photograph(), skimage.data.coffee(), np.full((200, 300, 3), 0.5)):
        number = slic(image, n_segments, slico=slico, device="cpu").max() + 1
        assert 0.85 * n_segments <= number <= n_segments


def test_flat_image_gives_the_grid() -> None:
    labels = slic(np.zeros((30, 40, 3)), 12, device="cpu")
    np.testing.assert_array_equal(
        labels, np.kron(np.arange(12).reshape(3, 4), np.ones((10, 10), int))
    )


def test_four_flags_are_found_exactly() -> None:
    image = np.zeros((40, 60, 3), np.uint8)
    image[:17, :33] = 255, 0, 0
    image[17:, :33] = 0, 200, 0
    image[:17, 33:] = 0, 0, 255
    image[17:, 33:] = 255, 255, 0
    labels = slic(image, 4, device="cpu")
    want = np.zeros((40, 60), int)
    want[:, 33:] += 1
    want[17:] += 2
    np.testing.assert_array_equal(labels, want)
    # With any number of superpixels none crosses a border.
    assert undersegmentation_error(slic(image, 60, device="cpu"), want) == 0


def test_more_compactness_is_more_compact() -> None:
    image = photograph()
    values = [compactness(slic(image, 250, m, device="cpu")) for m in (1, 10, 40, 160)]
    assert values == sorted(values)
    assert values[-1] > 2 * values[0]


def test_slico_is_more_compact_where_there_is_texture() -> None:
    image = skimage.data.coffee()
    slico = slic(image, 250, slico=True, device="cpu")
    assert compactness(slico) > compactness(slic(image, 250, device="cpu"))


def test_batch_equals_images_one_by_one() -> None:
    images = np.stack([noise(30, 44, seed) for seed in range(3)])
    together = slic(images, 20, device="cpu")
    assert together.shape == (3, 30, 44)
    assert together.dtype == np.int32
    for image, labels in zip(images, together, strict=True):
        np.testing.assert_array_equal(labels, slic(image, 20, device="cpu"))


def test_same_in_every_thread_and_every_time() -> None:
    image = photograph()
    want = slic(image, device="cpu")
    with ThreadPoolExecutor(4) as pool:
        for labels in pool.map(lambda _: slic(image, device="cpu"), range(8)):
            np.testing.assert_array_equal(labels, want)


def test_any_memory_layout_and_nothing_is_written() -> None:
    image = photograph()[::2, ::-1]
    image.flags.writeable = False
    before = image.copy()
    np.testing.assert_array_equal(slic(image, 50, device="cpu"), slic(before, 50, device="cpu"))
    np.testing.assert_array_equal(image, before)


@settings(max_examples=300, deadline=None)
@given(st.integers(1, 300), st.integers(1, 300), st.floats(0, 1))
def test_the_grid_has_about_as_many_cells_as_asked(height: int, width: int, part: float) -> None:
    asked = max(1, round(part * height * width))
    grid = module.Grid.over(height, width, asked)
    n_rows, n_cols = len(grid.rows) - 1, len(grid.cols) - 1
    assert (np.diff(grid.rows) >= 1).all()
    assert (np.diff(grid.cols) >= 1).all()
    assert (grid.rows[-1], grid.cols[-1]) == (height, width)
    assert abs(n_rows * n_cols - asked) <= n_rows / 2  # the rounding of the columns
    if min(n_rows, n_cols) > 3:  # nearly square
        assert 0.7 < (height / n_rows) / (width / n_cols) < 1.4


def test_one_pixel_and_thin_images() -> None:
    np.testing.assert_array_equal(slic(np.zeros((1, 1, 3)), 1), [[0]])
    for shape in ((1, 50), (50, 1)):
        assert_superpixels(slic(noise(*shape), 5, device="cpu"), shape, 5)
        assert slic(np.zeros((*shape, 3)), 5, device="cpu").max() == 4


# Wrong arguments are refused with advice, by both versions, at the call.


@pytest.mark.parametrize("method", [slic, slic_steps])
@pytest.mark.parametrize(
    ("image", "message"),
    [
        (np.full((8, 8, 3), np.nan), "NaN"),
        (np.zeros((0, 8, 3)), "empty"),
        (np.zeros((8, 8)), "grey"),
        (np.zeros((8, 8, 4)), "alpha"),
        (np.zeros((3, 8, 8)), "transpose"),
        (np.zeros((8, 8, 3), np.uint16), "65535"),
        (np.full((8, 8, 3), 200.0), "divide it by 255"),
    ],
)
def test_wrong_images(method: Callable[..., Any], image: Image, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        method(image, 4)


@pytest.mark.parametrize("method", [slic, slic_steps])
@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"n_segments": 65}, "64 pixels, got 65"),
        ({"n_segments": 0}, "n_segments"),
        ({"n_segments": 2.5}, "n_segments must be a whole number"),
        ({"compactness": 0}, "compactness"),
        ({"compactness": np.inf}, "compactness"),
        ({"compactness": np.nan}, "compactness"),
        ({"compactness": 1e30}, "compactness"),
        ({"max_iterations": 0}, "max_iterations"),
        ({"tolerance": -1}, "tolerance"),
        ({"tolerance": np.nan}, "tolerance"),
    ],
)
def test_wrong_parameters(
    method: Callable[..., Any], arguments: dict[str, Any], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        method(np.zeros((8, 8, 3)), **({"n_segments": 4} | arguments))


def test_wrong_batches() -> None:
    with pytest.raises(ValueError, match="empty"):
        slic(np.zeros((0, 8, 8, 3)), 4)
    bad = np.zeros((2, 8, 8, 3))
    bad[1, 0, 0, 0] = np.nan
    with pytest.raises(ValueError, match=r"image\[1\] has 1 values that are NaN"):
        slic(bad, 4)
    with pytest.raises(ValueError, match="one image at a time"):
        slic_steps(np.zeros((2, 8, 8, 3)), 4)


@needs_shared_data
def test_better_than_scikit_image_on_photographs() -> None:
    ours, peer = [], []
    data = BSDS500(SHARED_DATA / "bsds500", "val")
    for i in range(0, len(data), 6):
        sample = data[i]
        # The peer gets at least as many superpixels, which is to its advantage.
        labels = skimage.segmentation.slic(sample.image, 330, compactness=10, start_label=0)
        mine = slic(sample.image, min(250, labels.max() + 1), device="cpu")
        for found, scores in ((mine, ours), (labels, peer)):
            scores.append(
                [
                    np.mean([boundary_recall(found, t) for t in sample.segmentations]),
                    -np.mean([undersegmentation_error(found, t) for t in sample.segmentations]),
                    explained_variation(found, sample.image),
                ]
            )
    assert (np.mean(ours, axis=0) > np.mean(peer, axis=0)).all()
