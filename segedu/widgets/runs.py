"""Masks as the click widget's page gets them: runs of pixels, a few kilobytes at any size."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def encode_runs(mask: NDArray[np.bool_]) -> bytes:
    """Where a mask (H, W), read row by row, changes: uint32 positions, starting outside."""
    flat = mask.ravel()
    inner = np.flatnonzero(flat[1:] != flat[:-1]) + 1
    first, last = [0] * bool(flat[0]), [flat.size] * bool(flat[-1])
    return np.concatenate([first, inner, last]).astype("<u4").tobytes()
