import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays
from skimage.color import rgb2lab

from segedu import images


@pytest.mark.parametrize(
    ("image", "message"),
    [
        (np.zeros((3, 48, 64)), r"got \(3, 48, 64\); transpose it"),
        (np.zeros((48, 64)), r"grey image becomes one by np.stack"),
        (np.zeros((48, 64, 1)), r"np.repeat\(image, 3, axis=-1\)"),
        (np.zeros((48, 64, 4)), r"drop the alpha channel with image\[..., :3\]"),
        (np.zeros((2, 48, 64, 3)), "this is a batch"),
        (np.zeros((48, 64, 5)), r"must have shape \(H, W, 3\), got \(48, 64, 5\)"),
        (np.zeros((0, 64, 3)), "image is empty"),
        (np.zeros(3), r"got \(3,\)"),
        (np.zeros((4, 4, 3), np.uint16), "dividing by 65535"),
        (np.zeros((4, 4, 3), np.int64), r"\.astype\(np.uint8\)"),
        (np.zeros((4, 4, 3), bool), "a mask is not an image"),
        (np.zeros((4, 4, 3), complex), "got complex128; convert it"),
        (np.full((4, 4, 3), np.nan), "48 values that are NaN or infinite"),
        (np.full((4, 4, 3), np.inf), "48 values that are NaN or infinite"),
        (np.full((4, 4, 3), 200.0), r"got \[200, 200\]; divide it by 255"),
        (np.full((4, 4, 3), -0.5), r"got \[-0.5, -0.5\]; rescale it"),
    ],
)
def test_bad_images_are_refused_with_the_way_out(image, message):
    with pytest.raises(ValueError, match=message):
        images.check_image(image)


def test_the_message_names_the_argument():
    with pytest.raises(ValueError, match=r"^photo must have shape"):
        images.check_image(np.zeros((4, 4)), name="photo")


@pytest.mark.parametrize("dtype", [np.uint8, np.float32, np.float64])
def test_good_images_pass_unchanged(dtype):
    image = np.ones((1, 1, 3), dtype)
    assert images.check_image(image) is image


def test_half_precision_becomes_float32():
    assert images.check_image(np.ones((2, 2, 3), np.float16)).dtype == np.float32


@given(arrays(np.uint8, array_shapes(min_dims=2, max_dims=2, max_side=6).map(lambda s: (*s, 3))))
def test_uint8_survives_the_round_trip_through_float_and_tensor(image):
    assert np.array_equal(images.as_uint8(images.as_float(image)), image)
    tensor = images.to_tensor(image)
    assert tensor.shape == (3, *image.shape[:2])
    assert np.array_equal(images.as_uint8(images.from_tensor(tensor)), image)


def test_from_tensor_refuses_other_shapes():
    with pytest.raises(ValueError, match=r"\(3, H, W\)"):
        images.from_tensor(torch.zeros(4, 5, 3))


def test_to_tensor_does_not_share_memory_with_a_read_only_image():
    image = np.ones((2, 2, 3), np.float32)
    image.flags.writeable = False
    images.to_tensor(image).zero_()
    assert image.min() == 1


@given(
    arrays(
        np.float32,
        array_shapes(min_dims=2, max_dims=2, max_side=8).map(lambda s: (*s, 3)),
        elements=st.floats(0, 1, width=32),
    )
)
def test_lab_equals_scikit_image(image):
    np.testing.assert_allclose(
        images.rgb_to_lab_array(image), rgb2lab(image.astype(np.float64)), atol=1e-3
    )


def test_lab_of_all_extreme_colors_and_greys():
    corners = np.array(np.meshgrid([0, 255], [0, 255], [0, 255])).T.reshape(1, -1, 3)
    greys = np.repeat(np.arange(256), 3).reshape(1, 256, 3)
    for image in (corners.astype(np.uint8), greys.astype(np.uint8)):
        np.testing.assert_allclose(images.rgb_to_lab_array(image), rgb2lab(image), atol=1e-3)
    white = images.rgb_to_lab_array(np.full((1, 1, 3), 255, np.uint8))[0, 0]
    np.testing.assert_allclose(white, [100, 0, 0], atol=1e-2)


def test_lab_takes_batches_and_gradients_and_names_a_wrong_shape():
    batch = torch.rand(2, 3, 4, 5, requires_grad=True)
    lab = images.rgb_to_lab(batch)
    # Values reach 100, and float32's last bits depend on how a vector is cut into lanes.
    torch.testing.assert_close(lab[1], images.rgb_to_lab(batch[1]), rtol=1e-5, atol=1e-4)
    lab.sum().backward()
    assert batch.grad is not None and torch.isfinite(batch.grad).all()
    with pytest.raises(ValueError, match=r"\(\.\.\., 3, H, W\)"):
        images.rgb_to_lab(torch.zeros(4, 5, 3))


def test_gradients_are_finite_at_black():
    black = torch.zeros(3, 2, 2, requires_grad=True)
    images.rgb_to_lab(black).sum().backward()
    assert torch.isfinite(black.grad).all()


def test_label_maps_and_masks_are_checked():
    assert images.check_label_map([[0, 1]]).shape == (1, 2)
    with pytest.raises(ValueError, match="integer type, got float64"):
        images.check_label_map(np.zeros((2, 2)))
    with pytest.raises(ValueError, match=r"truth must have shape \(H, W\)"):
        images.check_label_map(np.zeros((2, 2, 2), int), name="truth")
    with pytest.raises(ValueError, match=r"must have shape \(2, 3\), got \(2, 2\)"):
        images.check_label_map(np.zeros((2, 2), int), (2, 3))
    with pytest.raises(ValueError, match="is empty"):
        images.check_mask(np.zeros((0, 2), bool))
    with pytest.raises(ValueError, match="compare it, as in mask > 0"):
        images.check_mask(np.zeros((2, 2), np.uint8))


def test_auto_device():
    assert images.auto_device("cpu") == torch.device("cpu")
    expected = "cuda" if torch.cuda.is_available() else "cpu"
    assert images.auto_device("auto").type == expected
