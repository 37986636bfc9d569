"""SLIC: superpixels by k-means in colour and position, with a bounded search.

R. Achanta, A. Shaji, K. Smith, A. Lucchi, P. Fua, S. Süsstrunk: "SLIC Superpixels Compared to
State-of-the-Art Superpixel Methods", IEEE TPAMI 34(11), 2012; SLICO is its authors' later
version without the parameter m.

The idea in three lines: describe every pixel by [L, a, b, x, y]; place K centres on a grid of
spacing S = sqrt(N / K); repeat: a pixel takes the nearest centre whose 2S x 2S window covers it,
a centre moves to the mean of its pixels, until the centres hardly move.

Shapes: B images, H x W = N pixels, K centres = R rows x C columns of grid cells.

Departures from the paper:
- a pixel looks at the centres seeded in its own and the eight neighbouring cells, among them at
  those whose window covers it: a centre that wandered more than a cell away is out of reach. So the
  search is the same small piece of work for every pixel, which a GPU needs.
- small pieces join the neighbour that suits them best, not any, and only so many do that about K
  regions are left (`connectivity.py`).
- the residual E is per centre, so that one tolerance serves every K.

`slic_steps` is the method to read, in torch. The function to use is `slic` in `slic_fast.py`: on
CUDA it runs the code of this file on whole batches, on the CPU the kernels of `slic_kernels.py`;
tests hold both equal, label for label.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from segedu.images import as_float, auto_device, check_image, rgb_to_lab
from segedu.superpixels import slic_kernels as kernels


@dataclass(frozen=True)
class SlicState:
    """What SLIC knows after an iteration.

    Attributes:
        iteration: 0 after seeding, when no pixel has a centre yet; then 1, 2, …
        centers: (K, 5) float32: L, a, b, x, y; x and y count pixels, (0, 0) is the first one.
        labels: (H, W) int32 in 0 … K-1, -1 where no window reached.
        distance: (H, W) float32, D of eq. 3 to the own centre, infinite where there is none.
        residual: E, the mean over centres of |dx| + |dy| in pixels; infinite at iteration 0.
        spacing: S in pixels.
    """

    iteration: int
    centers: Tensor
    labels: Tensor
    distance: Tensor
    residual: float
    spacing: float


@dataclass(frozen=True)
class Grid:
    """Cells of about S x S pixels, R rows of C; one seed each."""

    rows: NDArray[np.int64]  # (R + 1,): the borders of the rows, 0 … H
    cols: NDArray[np.int64]  # (C + 1,): the borders of the columns, 0 … W

    @classmethod
    def over(cls, height: int, width: int, n_segments: float) -> Grid:
        """Lay a grid of about `n_segments` nearly square cells over an image."""
        spacing = np.sqrt(height * width / n_segments)
        n_rows = int(np.clip(round(height / spacing), 1, min(height, max(1, n_segments))))
        n_cols = int(np.clip(round(n_segments / n_rows), 1, width))
        return cls(_borders(height, n_rows), _borders(width, n_cols))

    @property
    def spacing(self) -> float:
        """S, the mean spacing of the seeds in pixels."""
        cells = (len(self.rows) - 1) * (len(self.cols) - 1)
        return float(np.sqrt(self.rows[-1] * self.cols[-1] / cells))

    @property
    def moves_seeds(self) -> bool:
        """Not in cells under 3 pixels, where moving could place two seeds on one pixel."""
        return self.spacing >= 3


def _borders(length: int, parts: int) -> NDArray[np.int64]:
    return np.arange(parts + 1, dtype=np.int64) * length // parts


def to_lab(images: list[NDArray[Any]], device: torch.device) -> Tensor:
    """CIELAB (B, 3, H, W) of B images (H, W, 3) of one size and type, on `device`."""
    if images[0].dtype == np.uint8:
        # `rgb_to_lab` from tables: the same within 1e-3, twenty times as fast. For CUDA too: the
        # largest distance of SLICO turns differences of 1e-4 into other labels for a pixel in 500.
        planes = [torch.from_numpy(kernels.lab_from_uint8(image)) for image in images]
        return (planes[0][None] if len(planes) == 1 else torch.stack(planes)).to(device)
    rgb = torch.from_numpy(np.stack([as_float(image) for image in images]))
    return rgb_to_lab(rgb.to(device).permute(0, 3, 1, 2))


def seed_centers(lab: Tensor, grid: Grid) -> Tensor:
    """Seed in the middle of every cell, moved to the lowest gradient of its 3 x 3 neighbourhood.

    lab (B, 3, H, W) -> centers (B, K, 5). A seed stays where it is unless a neighbour is strictly
    lower.
    """
    batch, _, height, width = lab.shape
    y = torch.from_numpy((grid.rows[:-1] + grid.rows[1:] - 1) // 2).to(lab.device)
    x = torch.from_numpy((grid.cols[:-1] + grid.cols[1:] - 1) // 2).to(lab.device)
    y, x = (t.flatten().expand(batch, -1) for t in torch.meshgrid(y, x, indexing="ij"))  # (B, K)
    if grid.moves_seeds:
        steps = [(0, 0)] + [(i, j) for i in (-1, 0, 1) for j in (-1, 0, 1) if (i, j) != (0, 0)]
        dy, dx = torch.tensor(steps, device=lab.device).T[:, :, None, None]  # (9, 1, 1) each
        ys, xs = (y + dy).clamp(0, height - 1), (x + dx).clamp(0, width - 1)  # (9, B, K)
        image = torch.arange(batch, device=lab.device)[:, None]
        gradient = gradient_magnitude(lab)[image, ys, xs]  # (9, B, K)
        lowest = gradient.argmin(dim=0, keepdim=True)  # the first of equals: the seed itself
        y, x = ys.gather(0, lowest)[0], xs.gather(0, lowest)[0]
    color = lab[torch.arange(batch, device=lab.device)[:, None], :, y, x]  # (B, K, 3)
    return torch.cat([color, x[..., None], y[..., None]], dim=-1).to(torch.float32)


def gradient_magnitude(lab: Tensor) -> Tensor:
    """Squared central differences, summed over channels: (B, 3, H, W) -> (B, H, W)."""
    padded = torch.nn.functional.pad(lab, (1, 1, 1, 1), mode="replicate")
    horizontal = padded[:, :, 1:-1, 2:] - padded[:, :, 1:-1, :-2]
    vertical = padded[:, :, 2:, 1:-1] - padded[:, :, :-2, 1:-1]
    (hl, ha, hb), (vl, va, vb) = horizontal.unbind(1), vertical.unbind(1)
    return (hl * hl + ha * ha + hb * hb) + (vl * vl + va * va + vb * vb)


def assign_pixels(
    lab: Tensor, centers: Tensor, grid: Grid, color_weight: Tensor, space_weight: float
) -> tuple[Tensor, Tensor]:
    """Give every pixel the nearest centre among those whose 2S x 2S window covers it.

    Args:
        lab: (B, 3, H, W).
        centers: (B, K, 5).
        grid: the cells in which the centres were seeded.
        color_weight: (B, K), factor of the squared colour distance: 1, or 1 / m_c² for SLICO.
        space_weight: factor of the squared distance in the plane: (m / S)², or 1 / S² for SLICO.

    Returns:
        labels (B, H, W) int32, -1 where no window reaches, and D² (B, H, W).
    """
    batch, _, height, width = lab.shape
    n_rows, n_cols = len(grid.rows) - 1, len(grid.cols) - 1
    reach = float(np.float32(grid.spacing))
    y = torch.arange(height, device=lab.device)[:, None]  # (H, 1)
    x = torch.arange(width, device=lab.device)[None, :]  # (1, W)
    row = torch.from_numpy(np.repeat(np.arange(n_rows), np.diff(grid.rows))).to(lab.device)[:, None]
    col = torch.from_numpy(np.repeat(np.arange(n_cols), np.diff(grid.cols))).to(lab.device)[None]
    best = lab.new_full((batch, height, width), torch.inf)
    labels = torch.full((batch, height, width), -1, dtype=torch.int32, device=lab.device)
    for row_step in (-1, 0, 1):
        for col_step in (-1, 0, 1):
            r, c = row + row_step, col + col_step
            exists = (r >= 0) & (r < n_rows) & (c >= 0) & (c < n_cols)  # (H, W)
            k = r.clamp(0, n_rows - 1) * n_cols + c.clamp(0, n_cols - 1)  # (H, W)
            l_, a_, b_, x_, y_ = centers[:, k].unbind(dim=-1)  # (B, H, W) each
            dl, da, db = lab[:, 0] - l_, lab[:, 1] - a_, lab[:, 2] - b_
            dx, dy = x - x_, y - y_
            color = dl * dl + da * da + db * db  # eq. 1, squared
            plane = dx * dx + dy * dy  # eq. 1, squared
            d = color * color_weight[:, k] + plane * space_weight  # eq. 3, squared
            covered = exists & (dx.abs() <= reach) & (dy.abs() <= reach)
            closer = covered & (d < best)
            best = torch.where(closer, d, best)
            labels = torch.where(closer, k.to(torch.int32), labels)
    return labels, best


def update_centers(lab: Tensor, labels: Tensor, centers: Tensor) -> tuple[Tensor, Tensor]:
    """Move every centre to the mean of its pixels; one without pixels stays.

    lab (B, 3, H, W), labels (B, H, W), centers (B, K, 5) -> new centers (B, K, 5), residual (B,).
    """
    batch, _, height, width = lab.shape
    n = centers.shape[1]
    y = torch.arange(height, device=lab.device).expand(batch, width, height).mT
    x = torch.arange(width, device=lab.device).expand(batch, height, width)
    ones = torch.ones_like(x)
    # float64: the sums then do not depend on the order in which a GPU adds, after rounding.
    features = torch.stack([*lab.unbind(1), x, y, ones], dim=-1).double()  # (B, H, W, 6)
    # Each image has its own centres; slot n of each collects the pixels without a label.
    slot = torch.where(labels < 0, n, labels.long())
    slot = slot + torch.arange(batch, device=lab.device)[:, None, None] * (n + 1)
    sums = features.new_zeros(batch * (n + 1), 6).index_add_(
        0, slot.flatten(), features.view(-1, 6)
    )
    sums = sums.view(batch, n + 1, 6)[:, :n]
    count = sums[..., 5:]
    new = torch.where(count > 0, (sums[..., :5] / count).float(), centers)
    residual = (new - centers)[..., 3:].abs().sum(dim=-1).double().mean(dim=-1)
    return new, residual


def largest_color_distance(lab: Tensor, labels: Tensor, centers: Tensor) -> Tensor:
    """SLICO's m_c², the largest squared colour distance to each centre: -> (B, K)."""
    batch, n = centers.shape[:2]
    own = centers[..., :3].gather(
        1, labels.clamp(min=0).long().view(batch, -1, 1).expand(-1, -1, 3)
    )
    dl, da, db = (lab.flatten(2).mT - own).unbind(-1)  # (B, N) each
    d = torch.where(labels.flatten(1) >= 0, dl * dl + da * da + db * db, 0)
    index = labels.clamp(min=0).long().flatten(1)
    return lab.new_zeros(batch, n).scatter_reduce_(1, index, d, "amax")


def iterate(
    lab: Tensor, grid: Grid, compactness: float, max_iterations: int, slico: bool
) -> Iterator[tuple[Tensor, Tensor, Tensor, Tensor]]:
    """Yield centers, labels, D² and residual (B,) of a batch, after seeding and each iteration."""
    batch, _, height, width = lab.shape
    centers = seed_centers(lab, grid)
    labels = torch.full((batch, height, width), -1, dtype=torch.int32, device=lab.device)
    distance = lab.new_full((batch, height, width), torch.inf)
    yield centers, labels, distance, lab.new_full((batch,), torch.inf)
    color_weight, space_weight = distance_weights(grid, compactness, slico)
    weights = lab.new_full(centers.shape[:2], color_weight)
    for _ in range(max_iterations):
        labels, distance = assign_pixels(lab, centers, grid, weights, space_weight)
        if slico:  # m_c is the largest one of the last iteration
            weights = 1 / largest_color_distance(lab, labels, centers).clamp(min=1)
        centers, residual = update_centers(lab, labels, centers)
        yield centers, labels, distance, residual


def distance_weights(grid: Grid, compactness: float, slico: bool) -> tuple[float, float]:
    """Factors of the squared distances in colour and plane, as float32 values."""
    color = 1 / compactness**2 if slico else 1.0
    space = (1.0 if slico else compactness**2) / grid.spacing**2
    return float(np.float32(color)), float(np.float32(space))


def slic_steps(
    image: Any,
    n_segments: int = 250,
    compactness: float = 10.0,
    *,
    max_iterations: int = 10,
    tolerance: float = 0.0,
    slico: bool = False,
    device: str | torch.device = "cpu",
) -> Iterator[SlicState]:
    """Yield SLIC's state after seeding and after every iteration: the readable version.

    Args:
        image: (H, W, 3), RGB, uint8 or float in [0, 1].
        n_segments: K, the number of seeds, up to the rounding to rows and columns.
        compactness: m of eq. 3, in units of CIELAB; more makes squarer superpixels. With `slico`
            it serves the first iteration alone.
        max_iterations: iterations at most.
        tolerance: stop after an iteration with a residual E of at most this many pixels.
        slico: adapt the compactness of each superpixel to the largest colour distance in it.
        device: where to compute; "auto" takes CUDA when there is one.

    Yields:
        `SlicState`; its labels are those before connectivity is enforced.

    Raises:
        ValueError: the image or a parameter is not as above.
    """
    image = check_image(image)
    check_parameters(image, n_segments, compactness, max_iterations, tolerance)
    lab = to_lab([image], auto_device(device))
    grid = Grid.over(lab.shape[-2], lab.shape[-1], n_segments)
    return _states(lab, grid, compactness, max_iterations, tolerance, slico)


def _states(
    lab: Tensor, grid: Grid, compactness: float, max_iterations: int, tolerance: float, slico: bool
) -> Iterator[SlicState]:
    steps = iterate(lab, grid, compactness, max_iterations, slico)
    for iteration, (centers, labels, distance, residual) in enumerate(steps):
        state = SlicState(
            iteration, centers[0], labels[0], distance[0].sqrt(), residual[0].item(), grid.spacing
        )
        yield state
        if state.residual <= tolerance:
            return


def check_parameters(
    image: Any, n_segments: int, compactness: float, max_iterations: int, tolerance: float
) -> None:
    """Raise a ValueError that names the parameter at fault."""
    for name, value in (("n_segments", n_segments), ("max_iterations", max_iterations)):
        if value % 1 != 0:
            raise ValueError(f"{name} must be a whole number, got {value}")
    height, width = np.shape(image)[:2]
    if not 1 <= n_segments <= height * width:
        raise ValueError(
            f"n_segments must lie between 1 and the image's {height * width} pixels, "
            f"got {n_segments}"
        )
    if not 1e-6 <= compactness <= 1e6:  # beyond, its square leaves float32
        raise ValueError(f"compactness must lie between 1e-6 and 1e6, got {compactness}")
    if max_iterations < 1:
        raise ValueError(f"max_iterations must be at least 1, got {max_iterations}")
    if not tolerance >= 0:
        raise ValueError(f"tolerance must not be negative, got {tolerance}")
