"""Labels of one image: normalisation, modes, sizes."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from segedu.layers.normalization import CAFFE_BGR, UNIT
from segedu.semantic import predict, segformer_b0


class Channels(nn.Module):
    """A network whose logits are its input, so that normalisation is seen."""

    def __init__(self, normalization, repeats: int = 1) -> None:
        super().__init__()
        self.normalization = normalization
        self.repeats = repeats
        self.dropout = nn.Dropout(0.5)  # eval mode must switch it off

    def forward(self, images):
        return self.dropout(images).repeat(1, self.repeats, 1, 1)


@pytest.fixture
def image():
    return np.random.default_rng(0).integers(0, 256, (5, 7, 3), dtype=np.uint8)


def test_labels_are_the_largest_logit(image):
    labels = predict(Channels(UNIT), image, "cpu")
    assert labels.dtype == np.uint8 and labels.shape == (5, 7)
    assert (labels == image.argmax(-1)).all()


def test_normalises_as_the_network_wants(image):
    logits = predict(Channels(CAFFE_BGR), image, "cpu", logits=True)
    assert logits.dtype == np.float32 and logits.shape == (3, 5, 7)
    expected = image[..., ::-1] - np.array(CAFFE_BGR.mean)
    np.testing.assert_allclose(logits, expected.transpose(2, 0, 1), atol=1e-4)
    as_floats = predict(Channels(CAFFE_BGR), image / 255, "cpu", logits=True)
    np.testing.assert_allclose(as_floats, logits, atol=1e-4)


def test_mode_is_kept(image):
    for training in (True, False):
        model = Channels(UNIT).train(training)
        predict(model, image, "cpu")
        assert model.training is training and model.dropout.training is training


def test_too_many_classes_for_bytes(image):
    model = Channels(UNIT, repeats=100)
    with pytest.raises(ValueError, match="logits=True"):
        predict(model, image, "cpu")
    assert predict(model, image, "cpu", logits=True).shape == (300, 5, 7)


def test_rejects_what_is_no_image(image):
    with pytest.raises(ValueError, match="grey"):
        predict(Channels(UNIT), image[..., 0], "cpu")


def test_network():
    torch.manual_seed(0)
    model = segformer_b0(4, width=0.25)
    labels = predict(model, np.zeros((33, 21, 3), np.uint8), "cpu")
    assert labels.shape == (33, 21) and labels.max() < 4
