"""Conventions for images, label maps and masks; their validation and conversion.

Every convention of the course is stated here once and tested in `tests/test_images.py`.

| thing     | array                     | values                                               |
|-----------|---------------------------|------------------------------------------------------|
| image     | (H, W, 3), RGB            | uint8 in [0, 255] or float in [0, 1]                 |
| tensor    | (B, 3, H, W), (3, H, W)   | float32 in [0, 1], before a model's own normalising  |
| label map | (H, W), int               | one label a pixel; 255 is "ignore" where one exists   |
| mask      | (H, W), bool              | True on the object                                   |
| box       | (4,), pixels              | x0, y0, x1, y1; x1 and y1 are just outside the box  |
| point     | (2,), pixels              | x to the right, y down; pixel (row, column) covers   |
|           |                           | [column, column + 1) x [row, row + 1)                |
| keypoints | (N, 17, 3)                | x, y, visibility as COCO's                           |
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

IGNORE_LABEL = 255

# IEC 61966-2-1: linear sRGB to CIE XYZ; rows are X, Y, Z.
SRGB_TO_XYZ = (
    (0.412453, 0.357580, 0.180423),
    (0.212671, 0.715160, 0.072169),
    (0.019334, 0.119193, 0.950227),
)
# The white point D65 seen by the 2 degree observer.
WHITE_D65 = (0.95047, 1.0, 1.08883)


def check_image(image: Any, name: str = "image") -> NDArray[Any]:
    """Return `image` as an array after checking that it follows the course's convention.

    Args:
        image: anything that NumPy reads as an array; expected (H, W, 3), RGB, H and W at least 1,
            uint8 in [0, 255] or floating point in [0, 1].
        name: what to call it in the error message.

    Returns:
        The same values: uint8, float32 or float64 (half precision becomes float32).

    Raises:
        ValueError: wrong shape, type or range, NaN or infinity; the message says what to do.
    """
    array = np.asarray(image)
    _check_image_shape(array.shape, name)
    if array.dtype == np.uint8:
        return array
    if array.dtype.kind != "f":
        raise ValueError(
            f"{name} must be uint8 or floating point in [0, 1], got {array.dtype}; "
            + _advice_on_dtype(array.dtype)
        )
    if not np.isfinite(array).all():
        bad = int((~np.isfinite(array)).sum())
        raise ValueError(f"{name} has {bad} values that are NaN or infinite; replace them first")
    low, high = float(array.min()), float(array.max())
    if low < 0.0 or high > 1.0:
        advice = "divide it by 255" if low >= 0 and high <= 255 else "rescale it"
        raise ValueError(
            f"a floating-point {name} must lie in [0, 1], got [{low:g}, {high:g}]; {advice}"
        )
    return array.astype(np.float32) if array.dtype.itemsize < 4 else array


def _check_image_shape(shape: tuple[int, ...], name: str) -> None:
    """Raise a ValueError that names the way out when `shape` is not (H, W, 3)."""
    expected = f"{name} must have shape (H, W, 3), got {shape}"
    if 0 in shape:
        raise ValueError(f"{name} is empty: its shape is {shape}")
    if len(shape) == 2:
        raise ValueError(f"{expected}; a grey image becomes one by np.stack([{name}] * 3, axis=-1)")
    if len(shape) == 4:
        raise ValueError(f"{expected}; this is a batch: pass one image at a time")
    if len(shape) != 3:
        raise ValueError(expected)
    if shape[2] == 4:
        raise ValueError(f"{expected}; drop the alpha channel with {name}[..., :3]")
    if shape[2] == 1:
        raise ValueError(f"{expected}; repeat the grey channel with np.repeat({name}, 3, axis=-1)")
    if shape[2] != 3 and shape[0] == 3:
        raise ValueError(f"{expected}; transpose it")
    if shape[2] != 3:
        raise ValueError(expected)


def _advice_on_dtype(dtype: np.dtype[Any]) -> str:
    if dtype == np.uint16:
        return "16-bit values become floats by dividing by 65535"
    if dtype == np.bool_:
        return "a mask is not an image; np.where it into colours first"
    if dtype.kind in "iu":
        return "integers in [0, 255] become an image by .astype(np.uint8)"
    return "convert it first"


def as_float(image: Any) -> NDArray[np.float32]:
    """Convert an image (H, W, 3) to float32 in [0, 1]; raises as `check_image`."""
    array = check_image(image)
    if array.dtype == np.uint8:
        return array.astype(np.float32) / np.float32(255)
    return array.astype(np.float32, copy=False)


def as_uint8(image: Any) -> NDArray[np.uint8]:
    """Convert an image (H, W, 3) to uint8 in [0, 255], rounding; raises as `check_image`."""
    array = check_image(image)
    if array.dtype == np.uint8:
        return array
    return np.rint(array * 255).astype(np.uint8)


def to_tensor(image: Any, device: str | torch.device = "cpu") -> Tensor:
    """Convert an image (H, W, 3) to a float32 tensor (3, H, W) in [0, 1] on `device`."""
    array = np.ascontiguousarray(as_float(image).transpose(2, 0, 1))
    # A read-only array would make torch warn that writes to the tensor are undefined.
    return torch.from_numpy(array if array.flags.writeable else array.copy()).to(device)


def from_tensor(tensor: Tensor) -> NDArray[np.float32]:
    """Convert a tensor (3, H, W) in [0, 1] to an image (H, W, 3) float32, clipped to [0, 1].

    Raises:
        ValueError: the tensor is not (3, H, W).
    """
    if tensor.ndim != 3 or tensor.shape[0] != 3:
        raise ValueError(f"tensor must have shape (3, H, W), got {tuple(tensor.shape)}")
    image: NDArray[np.float32] = tensor.detach().float().clamp(0, 1).permute(1, 2, 0).cpu().numpy()
    return image


def rgb_to_lab(image: Tensor) -> Tensor:
    """Convert sRGB to CIELAB (D65, 2 degree observer), differentiable, on any device.

    Args:
        image: (..., 3, H, W) floating point in [0, 1].

    Returns:
        (..., 3, H, W): L in [0, 100], a and b in about [-128, 128].

    Raises:
        ValueError: the third dimension from the end is not 3.

    The steps are those of CIE 15:2004: undo the sRGB transfer curve (IEC 61966-2-1), map to XYZ,
    divide by the white point, then L = 116 f(Y) - 16, a = 500 (f(X) - f(Y)), b = 200 (f(Y) - f(Z)).
    Checked against scikit-image within 1e-3.
    """
    if image.ndim < 3 or image.shape[-3] != 3:
        raise ValueError(f"image must have shape (..., 3, H, W), got {tuple(image.shape)}")
    linear = torch.where(
        image > 0.04045, ((image.clamp(min=0.04045) + 0.055) / 1.055) ** 2.4, image / 12.92
    )
    matrix = image.new_tensor(SRGB_TO_XYZ) / image.new_tensor(WHITE_D65)[:, None]
    xyz = torch.einsum("ij,...jhw->...ihw", matrix, linear)  # relative to white
    f = torch.where(xyz > 0.008856, xyz.clamp(min=0.008856) ** (1 / 3), 7.787 * xyz + 16 / 116)
    fx, fy, fz = f.unbind(dim=-3)
    return torch.stack([116 * fy - 16, 500 * (fx - fy), 200 * (fy - fz)], dim=-3)


def rgb_to_lab_array(image: Any) -> NDArray[np.float32]:
    """Convert an image (H, W, 3) to CIELAB (H, W, 3) float32; see `rgb_to_lab`."""
    lab: NDArray[np.float32] = rgb_to_lab(to_tensor(image)).permute(1, 2, 0).contiguous().numpy()
    return lab


def check_label_map(
    labels: Any, shape: tuple[int, int] | None = None, name: str = "labels"
) -> NDArray[Any]:
    """Return `labels` as an array after checking that it is a label map (H, W) of integers.

    Args:
        labels: expected (H, W), an integer type, not empty.
        shape: when given, the (H, W) that it must have.
        name: what to call it in the error message.

    Raises:
        ValueError: wrong number of dimensions, type or size.
    """
    array = np.asarray(labels)
    _check_plane(array, shape, name)
    if array.dtype.kind not in "iu":
        raise ValueError(f"{name} must be of an integer type, got {array.dtype}")
    return array


def check_mask(
    mask: Any, shape: tuple[int, int] | None = None, name: str = "mask"
) -> NDArray[np.bool_]:
    """Return `mask` as an array after checking that it is a mask (H, W) of bool.

    Args:
        mask: expected (H, W), bool, not empty.
        shape: when given, the (H, W) that it must have.
        name: what to call it in the error message.

    Raises:
        ValueError: wrong number of dimensions, type or size.
    """
    array = np.asarray(mask)
    _check_plane(array, shape, name)
    if array.dtype != np.bool_:
        raise ValueError(f"{name} must be bool, got {array.dtype}; compare it, as in {name} > 0")
    return array


def _check_plane(array: NDArray[Any], shape: tuple[int, int] | None, name: str) -> None:
    if array.ndim != 2:
        raise ValueError(f"{name} must have shape (H, W), got {array.shape}")
    if array.size == 0:
        raise ValueError(f"{name} is empty: its shape is {array.shape}")
    if shape is not None and array.shape != tuple(shape):
        raise ValueError(f"{name} must have shape {tuple(shape)}, got {array.shape}")


def auto_device(device: str | torch.device = "auto") -> torch.device:
    """Turn `"auto"` into CUDA where there is one, else the CPU; any other device as it is."""
    if device == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    return torch.device(device)
