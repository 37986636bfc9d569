"""SLIC as one uses it: fast, for an image or a batch, on the CPU or on CUDA.

The method is in `slic.py`. Here it runs either there, as torch code on a CUDA device and a whole
batch at once, or in the Numba kernels of `slic_kernels.py`, one thread an image; then regions are
made connected (`connectivity.py`).

Quality depends on how many seeds that begins with and on what it merges. On 100 photographs of
BSDS500, at exactly 250 superpixels, `tests/benchmarks/bench_superpixel_quality.py` measures it.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from segedu.images import auto_device, check_image
from segedu.superpixels import slic_kernels as kernels
from segedu.superpixels.connectivity import enforce_connectivity as connect
from segedu.superpixels.slic import Grid, check_parameters, distance_weights, iterate, to_lab

# Pieces that survive beside the grid's own superpixels make up for the seeds left out.
SEEDS_PER_SEGMENT = 0.95
# Pieces below this fraction of a cell join a neighbour, and more of them, the smallest first, where
# there are over n_segments. On BSDS500's photographs 250 then gives 249 ± 4.
SMALLEST_PIECE = 0.1


def slic(
    image: Any,
    n_segments: int = 250,
    compactness: float = 10.0,
    *,
    max_iterations: int = 10,
    tolerance: float = 0.0,
    slico: bool = False,
    enforce_connectivity: bool = True,
    device: str | torch.device = "auto",
) -> NDArray[np.int32]:
    """Segment an image, or a batch of one size, into superpixels (Achanta et al. 2012, alg. 1).

    Args:
        image: (H, W, 3), RGB, uint8 or float in [0, 1]; or a batch (B, H, W, 3) of them.
        n_segments: K, how many superpixels to make, at most H * W. The result has so many or a few
            percent fewer; without `enforce_connectivity` it is the number of seeds, up to the
            rounding to rows and columns.
        compactness: m of eq. 3, in units of CIELAB; more makes squarer superpixels (5 to 40 are
            usual). With `slico` it serves the first iteration alone.
        max_iterations: iterations at most.
        tolerance: stop when the centres moved at most this many pixels on average (E).
        slico: adapt the compactness of each superpixel to its own texture.
        enforce_connectivity: make every superpixel one 4-connected region. Without it the labels
            are the centres' (some perhaps unused, -1 where no window reached).
        device: "cpu" runs the Numba kernels, a batch over as many threads as torch may use;
            "cuda" the readable torch code; "auto" takes CUDA when there is one.

    Returns:
        (H, W) or (B, H, W) int32, labels 0 … K-1 in reading order, every label one 4-connected
        region.

    Raises:
        ValueError: the image or a parameter is not as above.
    """
    batch = np.asarray(image)
    single = batch.ndim != 4
    if single:
        images = [check_image(image)]
    else:
        images = [check_image(photo, f"image[{i}]") for i, photo in enumerate(batch)]
    if not images:
        raise ValueError(f"image is empty: its shape is {batch.shape}")
    check_parameters(images[0], n_segments, compactness, max_iterations, tolerance)
    seeds = max(1.0, n_segments * SEEDS_PER_SEGMENT) if enforce_connectivity else n_segments
    grid = Grid.over(images[0].shape[0], images[0].shape[1], seeds)
    chosen = auto_device(device)
    if chosen.type == "cpu":
        found = _slic_cpu(images, grid, compactness, max_iterations, tolerance, slico)
    else:
        found = _slic_torch(images, grid, compactness, max_iterations, tolerance, slico, chosen)
    if enforce_connectivity:
        smallest = int(np.ceil(SMALLEST_PIECE * grid.spacing**2))
        found = _in_threads(
            lambda pair: connect(pair[0], pair[1], smallest, int(n_segments)), found
        )
    else:
        found = [labels for labels, _ in found]
    return found[0] if single else np.stack(found)


def _slic_cpu(
    images: list[NDArray[Any]],
    grid: Grid,
    compactness: float,
    max_iterations: int,
    tolerance: float,
    slico: bool,
) -> list[Any]:
    """Labels (H, W) and Lab (3, H, W) of every image, by the Numba kernels."""
    color_weight, space_weight = map(np.float32, distance_weights(grid, compactness, slico))
    reach = np.float32(grid.spacing)
    strips = np.sort(np.concatenate([grid.cols, (grid.cols[:-1] + grid.cols[1:]) // 2]))

    def segment(image: NDArray[Any]) -> tuple[NDArray[np.int32], NDArray[np.float32]]:
        lab = to_lab([image], torch.device("cpu"))[0].contiguous().numpy()
        centers = kernels.seed_centers(lab, grid.rows, grid.cols, grid.moves_seeds)
        pixels = kernels.in_strip_order(lab, strips)
        labels = np.full(pixels.shape[1], -1, np.int32)
        sums = np.zeros((len(centers), 6))
        weights = np.full(len(centers), color_weight, np.float32)
        for _ in range(max_iterations):
            kernels.assign(
                pixels, centers, grid.rows, strips, reach, weights, space_weight, labels, sums
            )
            if slico:
                largest = kernels.largest_color_distance(pixels, labels, centers)
                weights = (1 / np.maximum(largest, np.float32(1))).astype(np.float32)
            if kernels.update(sums, centers) <= tolerance:
                break
        return kernels.in_image_order(labels, lab.shape[1], strips), lab

    return _in_threads(segment, images)


def _slic_torch(
    images: list[NDArray[Any]],
    grid: Grid,
    compactness: float,
    max_iterations: int,
    tolerance: float,
    slico: bool,
    device: torch.device,
) -> list[Any]:
    """The same by the readable version, on the whole batch at once."""
    lab = to_lab(images, device)
    steps = iterate(lab, grid, compactness, max_iterations, slico)
    result = next(steps)[1]
    moving = torch.ones(len(images), dtype=torch.bool, device=device)
    for _centers, labels, _distance, residual in steps:
        result = torch.where(moving[:, None, None], labels, result)
        if tolerance > 0:  # an image that has converged keeps its labels, as if it were alone
            moving &= residual > tolerance
            if not moving.any():
                break
    return list(zip(result.cpu().numpy(), lab.cpu().numpy(), strict=True))


def _in_threads(function: Any, items: list[Any]) -> list[Any]:
    """Map over items in as many threads as torch may use; the kernels release Python's lock."""
    workers = min(len(items), torch.get_num_threads())
    if workers <= 1:
        return [function(item) for item in items]
    with ThreadPoolExecutor(workers) as pool:
        return list(pool.map(function, items))
