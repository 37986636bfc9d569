from __future__ import annotations

import math

import numpy as np
import pytest

from segedu.data.scenes.camera import Camera
from segedu.data.scenes.dice import Dice, cosine, sine
from segedu.data.scenes.people import Pose, skeleton
from segedu.data.scenes.raster import fill_shapes
from segedu.data.scenes.shapes import Shapes
from segedu.data.scenes.textures import SIZE, sensor_noise, textures

CAMERA = Camera(height=1.5, focal=1.4, horizon=0.45, vanish=0.1)


def drawn(shapes: Shapes, height: int, width: int) -> np.ndarray:
    """Number of the front-most shape of each sample, -1 for none."""
    records, _, points = shapes.arrays()
    seen = np.full((2 * height, 2 * width), -1, np.int16)
    shade = np.zeros((2 * height, 2 * width), np.uint8)
    fill_shapes(records, points, textures()[2], seen, shade)
    return seen


def test_dice_roll_as_pcg64_does() -> None:
    raw = np.random.PCG64(7).random_raw(2048)
    dice = Dice(7)
    assert dice.unit() == float(raw[-1] >> np.uint64(11)) / 2**53
    values = [dice.uniform(2, 5) for _ in range(5000)]
    assert 2 <= min(values) < 2.01
    assert 4.99 < max(values) < 5
    assert abs(np.mean(values) - 3.5) < 0.05
    assert {dice.integer(-1, 2) for _ in range(200)} == {-1, 0, 1, 2}
    assert {dice.choice("abc") for _ in range(200)} == set("abc")
    assert 0.2 < np.mean([dice.chance(0.3) for _ in range(2000)]) < 0.4


@pytest.mark.parametrize("used", [0, 1, 64, 200])
def test_a_hand_takes_the_same_however_much_is_used(used: int) -> None:
    dice, other = Dice(3), Dice(3)
    hand = dice.hand()
    for _ in range(used):
        assert 0 <= hand.unit() < 1
    other.hand()
    assert [dice.unit() for _ in range(3000)] == [other.unit() for _ in range(3000)]


def test_sines_are_right() -> None:
    for i in range(-200, 200):
        assert abs(sine(i / 64) - math.sin(2 * math.pi * i / 64)) < 1e-9
        assert abs(cosine(i / 77) - math.cos(2 * math.pi * i / 77)) < 2e-3


@pytest.mark.parametrize("point", [(0.0, 0.0, 5.0), (-3.0, 2.0, 12.0), (4.0, 0.0, 40.0)])
def test_planes_are_where_the_camera_sees_them(point: tuple[float, float, float]) -> None:
    x, y, z = point
    px, py = CAMERA.project(x, y, z)
    planes = [(CAMERA.facing(z, 1.0), (x - 1.0, y))]
    if y == 0:
        planes.append((CAMERA.ground(), (x, z)))
    if x != 0:
        planes.append((CAMERA.side(x, 2.0), (z - 2.0, y)))
    for plane, (u, v) in planes:
        inverse, au, av = (a + b * px + c * py for a, b, c in plane)
        assert 1 / inverse == pytest.approx(z)
        assert au / inverse == pytest.approx(u, abs=1e-9)
        assert av / inverse == pytest.approx(v, abs=1e-9)


def test_polygon_fills_the_samples_inside() -> None:
    shapes = Shapes(CAMERA, 32, 64)
    # From the middle of the picture: half a height to the right, a quarter down.
    shapes.polygon([(0.0, 0.25), (0.5, 0.25), (0.5, 0.75), (0.0, 0.75)], (1, 1, 1))
    seen = drawn(shapes, 32, 64)
    wanted = np.full((64, 128), -1)
    wanted[16:48, 64:96] = 0
    assert np.array_equal(seen, wanted)


def test_star_is_filled_by_the_even_odd_rule() -> None:
    shapes = Shapes(CAMERA, 64, 64)
    corners = [(0.4 * sine(2 * i / 5), 0.5 - 0.4 * cosine(2 * i / 5)) for i in range(5)]
    shapes.polygon(corners, (1, 1, 1))
    seen = drawn(shapes, 64, 64)
    assert seen[64, 64] == -1  # the pentagon in the middle
    assert (seen == 0).any()


def test_ellipses_and_rings_have_their_area() -> None:
    for hole in (0.0, 0.5):
        shapes = Shapes(CAMERA, 128, 128)
        # Turned by 45 degrees, half axes 0.4 and 0.2.
        a, b = 0.4 / math.sqrt(2), 0.2 / math.sqrt(2)
        shapes.ellipse((0.0, 0.5), ((a, a), (-b, b)), (1, 1, 1), hole=hole)
        seen = drawn(shapes, 128, 128)
        area = math.pi * 0.4 * 0.2 * (1 - hole * hole) * 256**2
        assert abs((seen == 0).sum() - area) < 0.01 * area
        assert (seen[128, 128] == 0) == (hole == 0)


def test_leaves_reach_out_as_far_as_told() -> None:
    shapes = Shapes(CAMERA, 128, 128)
    shapes.ellipse((0.0, 0.5), ((0.3, 0.0), (0.0, 0.3)), (1, 1, 1), ragged=0.25)
    seen = drawn(shapes, 128, 128) == 0
    y, x = np.mgrid[:256, :256] - 127.5
    radius = np.hypot(x, y) / 256
    assert seen[radius < 0.3 * 0.74].all()
    assert not seen[radius > 0.3 * 1.26].any()
    band = seen[(radius > 0.28) & (radius < 0.32)]
    assert 0.2 < band.mean() < 0.8


def test_capsule_is_as_wide_as_its_radii() -> None:
    shapes = Shapes(CAMERA, 128, 128)
    shapes.capsule((-0.2, 0.5), (0.2, 0.5), (0.1, 0.05), (1, 1, 1))
    seen = drawn(shapes, 128, 128) == 0
    x = np.flatnonzero(seen.any(axis=0))
    assert (x[0], x[-1]) == pytest.approx((128 - 0.3 * 256, 127 + 0.25 * 256), abs=1)
    assert seen[:, 128].sum() == pytest.approx(2 * 0.075 * 256, abs=2)


def test_later_shapes_cover_earlier_ones() -> None:
    shapes = Shapes(CAMERA, 32, 32)
    whole = [(-0.5, 0.0), (0.5, 0.0), (0.5, 1.0), (-0.5, 1.0)]
    shapes.polygon(whole, (1, 0, 0))
    shapes.ellipse((0.0, 0.5), ((0.2, 0.0), (0.0, 0.2)), (0, 1, 0))
    seen = drawn(shapes, 32, 32)
    assert seen[32, 32] == 1
    assert seen[0, 0] == 0
    assert set(np.unique(seen)) == {0, 1}


def test_skeleton_stands_on_the_ground_and_keeps_its_bones() -> None:
    pose = Pose((0.1, -0.1), (0.05, 0.02), (-0.1, 0.1), (0.1, 0.1))
    joints = np.array(skeleton(pose))
    assert joints.shape == (17, 3)
    assert min(joints[15, 2], joints[16, 2]) == pytest.approx(0.04)
    for a, b, length in ((11, 13, 0.245), (13, 15, 0.225), (12, 14, 0.245), (14, 16, 0.225)):
        assert np.linalg.norm(joints[a] - joints[b]) == pytest.approx(length)
    assert (joints[[5, 7, 9, 11, 13, 15], 1] < 0).all()  # left is left
    assert joints[13, 0] > joints[11, 0]  # the left leg swings forward
    assert joints[14, 0] < joints[12, 0]


def test_textures_repeat_and_are_balanced() -> None:
    for texture in textures():
        assert texture.shape == (SIZE, SIZE)
        assert (texture.min(), texture.max()) == (-1, 1)
        assert abs(texture.mean()) < 0.25
        inner = np.abs(np.diff(texture, axis=1)).mean()
        assert np.abs(texture[:, 0] - texture[:, -1]).mean() < 1.5 * inner
    noise = sensor_noise()
    assert abs(noise.mean()) < 0.02
    assert abs(noise.std() - 1) < 0.02
