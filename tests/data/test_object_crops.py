from __future__ import annotations

import numpy as np
import pytest
import torch

from segedu.data import object_crops
from segedu.data.object_crops import ObjectDataset, WholeObjects
from segedu.data.objects import SceneObjects


class Coins:
    """A red disk on green: colour tells where the object is."""

    def __len__(self) -> int:
        return 3

    def pair(self, index, random):
        rows, columns = np.mgrid[:120, :160]
        labels = (np.hypot(rows - 60, columns - 50 - 20 * index) < 30).astype(np.int32)
        image = np.zeros((120, 160, 3), np.uint8)
        image[..., 0], image[..., 1] = 200 * labels, 200 * (1 - labels)
        return image, labels


def test_crops_keep_image_and_mask_together() -> None:
    data = ObjectDataset([Coins()], [1.0], size=64, paste=0.0)
    torch.manual_seed(0)
    shares = []
    for _ in range(60):
        image, target = data[0]
        assert image.shape == (3, 64, 64) and image.dtype == torch.float32
        assert target.shape == (64, 64) and target.dtype == torch.int64
        assert image.min() >= 0 and image.max() <= 1
        assert set(target.unique().tolist()) <= {0, 1, 255}
        known = target != 255
        red = image[0] > image[1]
        if (image[0] - image[1]).abs().mean() > 0.1:  # not the grey ones
            assert ((red == (target == 1)) | ~known).float().mean() > 0.93
        shares.append(float((target == 1).float().mean()))
    assert min(shares) < 0.1 < 0.4 < max(shares)


def test_crops_show_as_much_of_the_photograph_as_they_can() -> None:
    data = ObjectDataset([Coins()], [1.0], size=64, paste=0.0)
    torch.manual_seed(0)
    unknown = [float((data[0][1] == 255).float().mean()) for _ in range(60)]
    # A square of 1.1 x 160 pixels around 120 x 160 has 38 % that nobody knows; turned, more.
    assert max(unknown) < 0.6
    assert np.mean(unknown) < 0.25


def test_whole_photographs_show_objects_as_small_as_they_are() -> None:
    data = ObjectDataset([Coins()], [1.0], size=64, paste=0.0, whole=1.0)
    torch.manual_seed(0)
    share = np.pi * 30**2 / 160**2  # of a square as wide as the photograph
    for _ in range(20):
        _, target = data[0]
        # Between 0.75 and 1.1 times as wide, and the sides' ratio changes a little.
        assert 0.5 * share < (target == 1).float().mean() < 2.5 * share


def test_randomness_is_torchs() -> None:
    data = ObjectDataset([Coins(), SceneObjects(0, 5, (64, 128))], [1, 1], size=48, paste=0.5)
    found = []
    for seed in (3, 3, 4):
        torch.manual_seed(seed)
        found.append(data[0])
    assert torch.equal(found[0][0], found[1][0]) and torch.equal(found[0][1], found[1][1])
    assert not torch.equal(found[0][0], found[2][0])
    with pytest.raises(ValueError, match="weights"):
        ObjectDataset([Coins()], [0.5, 0.5])
    with pytest.raises(ValueError, match="must not be negative"):
        ObjectDataset([Coins(), Coins()], [1.2, -0.2])


class Tiles:
    """Sixteen squares of as many colours: an object's number can be read from its red."""

    def __len__(self) -> int:
        return 1

    def pair(self, index, random):
        labels = np.kron(
            np.arange(1, 17, dtype=np.int32).reshape(4, 4), np.ones((40, 40), np.int32)
        )
        return np.repeat((labels * 12).astype(np.uint8)[..., None], 3, axis=2), labels


@pytest.mark.parametrize("paste", [0.0, 1.0])
def test_several_objects_of_a_crop(paste: float, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(object_crops, "_recolor", lambda image, random: image)
    data = ObjectDataset([Tiles()], [1.0], size=64, masks=4, paste=paste, whole=1.0)
    torch.manual_seed(0)
    for _ in range(10):
        image, target = data[0]
        assert target.shape == (4, 64, 64) and target.dtype == torch.int64
        assert (target == 1).flatten(1).any(dim=1).all(), "none is empty"
        assert len({t.numpy().tobytes() for t in target}) == 4, "there are enough for four"
        assert (target == 1).sum(dim=0).max() == 1, "no two overlap"
        unknown = target == 255
        assert (unknown == unknown[0]).all(), "what is beyond the border is so for all"
        for t in target:  # one colour each, but for borders
            assert float(image[0][t == 1].quantile(0.75) - image[0][t == 1].quantile(0.25)) < 0.01


def test_a_pasted_object_is_asked_for_and_covers_what_was_there() -> None:
    class One(Tiles):
        """One tile in the middle, of full red; to be pasted."""

        def pair(self, index, random):
            labels = np.zeros((160, 160), np.int32)
            labels[50:110, 50:110] = 1
            return np.repeat((labels * 255).astype(np.uint8)[..., None], 3, axis=2), labels

    data = ObjectDataset([Tiles(), One()], [0.5, 0.5], size=64, masks=3, paste=1.0)
    torch.manual_seed(0)
    seen = 0
    for _ in range(40):
        _, target = data[0]
        assert (target == 1).sum(dim=0).max() <= 3
        different = {t.numpy().tobytes() for t in target}
        flat = torch.stack([torch.from_numpy(np.frombuffer(t, np.int64).copy()) for t in different])
        assert (flat == 1).sum(dim=0).max() == 1, "different objects do not overlap"
        seen += len(different) > 1
    assert seen > 5


def test_where_there_are_fewer_objects_some_come_twice() -> None:
    data = ObjectDataset([Coins()], [1.0], size=64, masks=3, paste=0.0)
    torch.manual_seed(0)
    _, target = data[0]
    assert target.shape == (3, 64, 64) and (target == target[0]).all()
    with pytest.raises(ValueError, match="masks must be at least 1"):
        ObjectDataset([Coins()], [1.0], masks=0)


def test_whole_objects_are_the_same_every_time() -> None:
    data = WholeObjects(Coins(), 40)
    assert len(data) == 3
    for i in range(3):
        image, target = data[i]
        assert torch.equal(data[i][0], image)
        assert image.shape == (3, 40, 40)
        assert 0.1 < (target == 1).float().mean() < 0.2
