from __future__ import annotations

import numpy as np
import pytest
import skimage.data
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage

from segedu.superpixels import slic, turbopixels, turbopixels_steps
from segedu.superpixels.level_set import (
    SIMPLE,
    change_sides,
    extend,
    is_simple,
    narrow_band,
    normal_and_curvature,
    signed_distance,
    thin_background,
    upwind_gradient,
)
from segedu.superpixels.metrics import boundary_recall, compactness
from segedu.superpixels.turbopixels import (
    ALPHA,
    GAMMA,
    TIME_STEP,
    affinity,
    background_skeleton,
    gradient_magnitude,
    image_speed,
    initial_level_set,
    place_seeds,
    step,
)

FOUR = ndimage.generate_binary_structure(2, 1)
EIGHT = ndimage.generate_binary_structure(2, 2)


def disk(radius: float, size: int = 41, scale: float = 1.0) -> np.ndarray:
    """The signed distance to a circle in the middle; `scale` spoils it away from the circle."""
    y, x = np.mgrid[:size, :size] - size // 2
    return (np.hypot(y, x) - radius) * scale


def inside_components(inside: np.ndarray) -> int:
    return ndimage.label(inside, FOUR)[1]


def background_components(inside: np.ndarray) -> int:
    """8-connected, with everything beyond the image as background."""
    return ndimage.label(np.pad(~inside, 1, constant_values=True), EIGHT)[1]


def assert_partition(labels: np.ndarray, n: int) -> None:
    assert labels.dtype == np.int32
    np.testing.assert_array_equal(np.unique(labels), np.arange(n))
    for k in range(n):
        assert inside_components(labels == k) == 1, f"label {k} is not one region"


# --- topology -------------------------------------------------------------------------------------


@pytest.mark.parametrize("code", range(256))
def test_simple_pixels_by_their_definition(code):
    """Simple: one 4-connected part of the inside touches the pixel, and one 8-connected
    part of the background."""
    ring = [(1, 2), (0, 2), (0, 1), (0, 0), (1, 0), (2, 0), (2, 1), (2, 2)]
    inside = np.zeros((3, 3), bool)
    for i, position in enumerate(ring):
        inside[position] = code >> i & 1
    outside = ~inside
    outside[1, 1] = False
    sides, outer = ndimage.label(inside, FOUR)[0], ndimage.label(outside, EIGHT)[0]
    touching = {sides[p] for p in ((1, 2), (0, 1), (1, 0), (2, 1))} - {0}
    assert SIMPLE[code] == (len(touching) == 1 and outer.max() == 1)
    assert is_simple(inside, 1, 1) == SIMPLE[code]


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 10**6), height=st.integers(1, 14), width=st.integers(1, 14))
def test_thinning_keeps_the_topology_and_leaves_nothing_to_remove(seed, height, width):
    rng = np.random.default_rng(seed)
    inside = rng.random((height, width)) < rng.uniform(0.05, 0.6)
    labels = np.where(inside, ndimage.label(inside, FOUR)[0] - 1, -1).astype(np.int32)
    thin = thin_background(labels, rng.integers(0, 9, (height, width)))
    assert (thin[inside] == labels[inside]).all()
    assert inside_components(thin >= 0) == inside_components(inside)
    assert background_components(thin >= 0) == background_components(inside)
    for k in range(labels.max() + 1):
        assert inside_components(thin == k) == 1
    if inside.any():
        simple = [is_simple(thin >= 0, y, x) for y, x in np.argwhere(thin < 0)]
        assert not any(simple)


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 10**6))
def test_moving_the_curve_never_changes_the_topology(seed):
    rng = np.random.default_rng(seed)
    inside = rng.random((11, 12)) < 0.4
    labels = np.where(inside, ndimage.label(inside, FOUR)[0] - 1, -1).astype(np.int32)
    before = labels.copy()
    psi = np.where(inside, -1.0, 1.0)
    band = narrow_band(psi, 2.0)
    grown = change_sides(psi, rng.normal(0, 1, len(band)), labels, band)
    np.testing.assert_array_equal(psi < 0, labels >= 0)
    assert grown == (labels >= 0).sum() - inside.sum()
    assert inside_components(labels >= 0) == inside_components(inside)
    assert background_components(labels >= 0) == background_components(inside)
    np.testing.assert_array_equal(np.unique(labels[labels >= 0]), np.unique(before[before >= 0]))
    for k in np.unique(before[before >= 0]):
        assert inside_components(labels == k) == 1


# --- distance -------------------------------------------------------------------------------------


@pytest.mark.parametrize("scale", [0.2, 1.0, 3.0])
def test_distance_to_a_straight_line_is_exact(scale):
    psi, feet = signed_distance(scale * (np.arange(20) - 7.3)[None].repeat(9, 0))
    np.testing.assert_allclose(psi, (np.arange(20) - 7.3)[None].repeat(9, 0), atol=1e-9)
    np.testing.assert_allclose(feet[..., 0], 7.3)
    np.testing.assert_allclose(feet[..., 1], np.arange(9)[:, None].repeat(20, 1))


@pytest.mark.parametrize("radius", [2.6, 7.0, 14.3])
def test_distance_to_a_circle_at_a_fraction_of_a_pixel(radius):
    psi, feet = signed_distance(disk(radius, scale=0.3))
    # Feet are at most a pixel apart: one beside the true one is not much farther.
    np.testing.assert_allclose(psi, disk(radius), atol=0.1)
    np.testing.assert_allclose(np.hypot(*(feet - 20).transpose(2, 0, 1)), radius, atol=0.3 / radius)


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 10**6), height=st.integers(1, 16), width=st.integers(2, 16))
def test_distance_against_all_points_of_the_curve(seed, height, width):
    rng = np.random.default_rng(seed)
    noise = ndimage.gaussian_filter(rng.normal(size=(height, width)), rng.uniform(0, 2))
    psi, feet = signed_distance(noise)
    if (noise < 0).all() or (noise >= 0).all():
        assert np.isinf(psi).all()
        return
    np.testing.assert_array_equal(psi < 0, noise < 0)
    y, x = np.mgrid[:height, :width]
    np.testing.assert_allclose(np.hypot(feet[..., 0] - x, feet[..., 1] - y), abs(psi), atol=1e-12)
    points = np.unique(feet.reshape(-1, 2), axis=0)
    brute = np.hypot(x[..., None] - points[:, 0], y[..., None] - points[:, 1]).min(axis=-1)
    # Two sweeps miss a nearer point now and then, by little; near the curve, feet are the pixels'
    # own, and another pixel's may be nearer.
    assert (abs(psi) >= brute - 1e-12).all()
    assert (abs(psi) <= brute + 0.7).all()
    assert np.mean(abs(psi) - brute) < 0.1


def test_the_band_and_what_is_extended_into_it():
    psi = (np.arange(12) - 4.25)[None].repeat(6, 0)
    psi, feet = signed_distance(psi)
    band = narrow_band(psi, 2.0)
    np.testing.assert_array_equal(np.unique(band[:, 1]), [3, 4, 5, 6])
    assert len(band) == 24
    ramp = np.arange(12.0)[None] * 10 + np.arange(6.0)[:, None]
    # Every pixel of the band sees the field at its foot: x = 4.25 in its own row.
    np.testing.assert_allclose(extend(ramp, feet, band), 42.5 + band[:, 0])


# --- motion ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("radius", [4.0, 9.0, 15.0])
def test_normal_and_curvature_of_a_circle(radius):
    psi = disk(radius)
    for y, x in narrow_band(psi, 0.6):
        r = np.hypot(y - 20, x - 20)
        nx, ny, curvature = normal_and_curvature(psi, y, x)
        np.testing.assert_allclose((nx, ny), ((x - 20) / r, (y - 20) / r), atol=0.02)
        np.testing.assert_allclose(curvature, 1 / r, rtol=0.08)
        for outward in (True, False):  # of first order: one side's difference
            assert abs(upwind_gradient(psi, y, x, outward) - 1) < 0.5 / radius


def test_normal_of_a_plateau_is_nothing():
    assert normal_and_curvature(np.zeros((3, 3)), 1, 1) == (0, 0, 0)


def test_image_speed_is_equation_4():
    assert image_speed(1, 0, 0, 0.7, 0, 0) == 0.7
    np.testing.assert_allclose(image_speed(0.6, 0.8, 0.5, 0.5, 0.1, -0.2), 0.85 * 0.5 - 0.06 + 0.16)
    assert image_speed(1, 0, 0, 0.2, 2.0, 0) == -1  # cut off


def moved_for(psi: np.ndarray, time: float, phi: float, phi_x: float = 0.0) -> np.ndarray:
    """Evolve with the same phi and gradient everywhere, renewing the distance at every step."""
    labels = np.where(psi < 0, 0, -1).astype(np.int32)
    for _ in range(round(time / TIME_STEP)):
        psi, _ = signed_distance(psi)
        band = narrow_band(psi, 5.0)
        fields = [np.full(len(band), value) for value in (phi, phi_x, 0.0)]
        change_sides(psi, step(psi, band, *fields, np.zeros(psi.shape, bool)), labels, band)
    return signed_distance(psi)[0]


@pytest.mark.parametrize(("phi", "phi_x"), [(1.0, 0.0), (0.4, 0.0), (0.2, 0.5), (0.1, -0.6)])
def test_a_straight_front_moves_with_its_speed(phi, phi_x):
    """S = phi - beta phi_x, forth and back: the doublet term alone can turn it round."""
    front = (np.arange(40) - 20.2)[None].repeat(15, 0)
    psi = moved_for(front, 6.0, phi, phi_x)
    np.testing.assert_allclose(psi[7], front[7] - 6 * (phi - phi_x), atol=1e-6)


@pytest.mark.parametrize(("radius", "time"), [(4.0, 10.0), (12.0, 10.0)])
def test_a_disk_grows_by_its_speed_less_the_curvature(radius, time):
    """dr / dt = 1 - alpha / r: about a pixel in a unit of time, less while the disk is small.

    The upwind scheme is of first order: it sees |grad psi| up to 1 / (2 r) too small.
    """
    fastest = slowest = radius
    for _ in range(int(time * 100)):
        fastest += 0.01 * (1 - ALPHA / fastest)
        slowest += 0.01 * (1 - (ALPHA + 0.5) / slowest)
    psi = moved_for(disk(radius, size=61), time, 1.0)
    area = np.clip(0.5 - psi, 0, 1).sum()  # pixels cut by the curve count in part
    assert slowest < np.sqrt(area / np.pi) < fastest
    assert fastest - slowest < 0.7


def test_the_barrier_stops_a_front():
    psi = (np.arange(30) - 5.5)[None].repeat(10, 0)
    labels = np.where(psi < 0, 0, -1).astype(np.int32)
    barrier = np.zeros(psi.shape, bool)
    barrier[:, 12] = True
    for _ in range(40):
        psi, _ = signed_distance(psi)
        band = narrow_band(psi, 5.0)
        one, none = np.ones(len(band)), np.zeros(len(band))
        change_sides(psi, step(psi, band, one, none, none, barrier), labels, band)
    assert (labels[:, :12] == 0).all()
    assert (labels[:, 12:] == -1).all()


# --- the parts of the method ----------------------------------------------------------------------


@pytest.mark.parametrize("second", [(30, 20), (33, 8), (12, 37), (25, 33)])
def test_the_skeleton_of_two_seeds_is_their_perpendicular_bisector(second):
    seeds = np.array([(8, 12), second])
    psi, labels = initial_level_set(seeds, (44, 44))
    psi, _ = signed_distance(psi)
    skeleton = background_skeleton(psi, labels)
    y, x = np.argwhere(skeleton).T
    to_first = np.hypot(x - seeds[0, 0], y - seeds[0, 1])
    to_second = np.hypot(x - seeds[1, 0], y - seeds[1, 1])
    # The difference of distances grows by at most 2 a pixel across the bisector.
    assert abs(to_first - to_second).max() <= 2.0
    assert inside_components(~skeleton) == 2
    assert ndimage.label(skeleton, EIGHT)[1] == 1
    # A line: hardly more pixels than the longer of its extents.
    assert len(y) <= 1.1 * max(np.ptp(y), np.ptp(x)) + 3


def test_affinity_by_the_definition():
    rng = np.random.default_rng(0)
    gradient = rng.uniform(0, 60, (30, 34))
    spacing, nu = 6.0, 0.05
    phi = affinity(gradient, spacing, nu)
    sigma = 4.0
    offsets = np.arange(-16, 17)
    weights = np.exp(-(offsets**2) / (2 * sigma**2))
    weights = np.outer(weights, weights) / weights.sum() ** 2
    padded = np.pad(gradient, 16, mode="edge")
    for y, x in [(0, 0), (15, 17), (29, 3)]:
        mean = (padded[y : y + 33, x : x + 33] * weights).sum() * np.sqrt(2 * np.pi) * sigma / 2
        expected = np.exp(-gradient[y, x] / (mean + GAMMA) / nu)
        np.testing.assert_allclose(phi[y, x], expected)


def test_gradient_of_a_ramp():
    lab = np.zeros((9, 20, 3), np.float32)
    lab[..., 0] = 3 * np.arange(20)
    lab[..., 2] = 4 * np.arange(20)
    np.testing.assert_allclose(gradient_magnitude(lab)[:, 6:-6], 5 * 2.55, rtol=1e-4)


def test_seeds_move_off_the_edge_and_stay_in_their_cells():
    gradient = np.zeros((40, 40))
    gradient[:, 19] = 5.0
    rows = cols = np.array([0, 40])
    np.testing.assert_array_equal(place_seeds(gradient, rows, cols, 3), [[18, 19]])
    np.testing.assert_array_equal(place_seeds(0 * gradient, rows, cols, 3), [[19, 19]])
    rng = np.random.default_rng(0)
    borders = np.arange(0, 41, 10)
    seeds = place_seeds(rng.random((40, 40)), borders, borders, 20)
    np.testing.assert_array_equal(seeds[:, 1] // 10 * 4 + seeds[:, 0] // 10, np.arange(16))


# --- the method -----------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def states():
    return list(turbopixels_steps(skimage.data.astronaut()[:160, :220], 60))


def test_every_state_is_consistent(states):
    assert [state.finished for state in states] == [False] * (len(states) - 1) + [True]
    n = len(states[0].seeds)
    for state in states[:-1]:
        assigned = state.labels >= 0
        np.testing.assert_array_equal(state.psi < 0, assigned)
        assert not (state.skeleton & assigned).any()
        np.testing.assert_array_equal(np.unique(state.labels[assigned]), np.arange(n))
        for k in range(n):
            assert inside_components(state.labels == k) == 1
        # No two regions touch, and the skeleton keeps them apart.
        for a, b in ((np.s_[1:], np.s_[:-1]), (np.s_[:, 1:], np.s_[:, :-1])):
            both = assigned[a] & assigned[b]
            assert (state.labels[a][both] == state.labels[b][both]).all()
        assert inside_components(~state.skeleton) == n
    assert states[0].iteration == 0
    assert (states[0].labels >= 0).sum() == n
    areas = [(state.labels >= 0).mean() for state in states]
    assert areas[-2] > 0.6
    assert areas[-1] == 1


def test_every_seed_becomes_a_region(states):
    last = states[-1]
    n = len(last.seeds)
    assert_partition(last.labels, n)
    np.testing.assert_array_equal(last.labels[last.seeds[:, 1], last.seeds[:, 0]], np.arange(n))


def test_the_last_state_is_the_result_every_time(states):
    image = skimage.data.astronaut()[:160, :220]
    np.testing.assert_array_equal(turbopixels(image, 60), states[-1].labels)


def test_a_flat_image_gives_the_grid():
    labels = turbopixels(np.full((60, 90, 3), 120, np.uint8), 24)
    y, x = np.mgrid[:60, :90]
    grid = y // 15 * 6 + x // 15
    assert np.mean(labels == grid) > 0.88  # a line one pixel beside takes off 10 %
    assert boundary_recall(labels, grid, tolerance=1) > 0.99
    assert boundary_recall(grid, labels, tolerance=1) > 0.99
    assert compactness(labels) > 0.65


def test_regions_keep_to_an_edge_that_the_grid_does_not_follow():
    image = np.full((80, 80, 3), 60, np.uint8)
    y, x = np.mgrid[:80, :80]
    truth = x + 0.4 * y > 57.3
    image[truth] = (170, 150, 90)
    labels = turbopixels(image, 25)
    assert boundary_recall(labels, truth.astype(int), tolerance=1) > 0.97
    share = np.bincount(labels.ravel(), truth.ravel()) / np.bincount(labels.ravel())
    assert (np.minimum(share, 1 - share) < 0.06).mean() > 0.9


@pytest.mark.parametrize("name", ["coffee", "chelsea"])
def test_more_compact_than_slic_and_the_more_so_the_greater_nu(name):
    image = getattr(skimage.data, name)()[50:210, 100:300]
    regular, close = turbopixels(image, 80, nu=0.08), turbopixels(image, 80, nu=0.04)
    assert compactness(regular) > compactness(close) > compactness(slic(image, 80, device="cpu"))


@pytest.mark.parametrize("shape", [(1, 1), (1, 30), (30, 1), (2, 2), (3, 7), (12, 12)])
@pytest.mark.parametrize("part", [0.0, 0.1, 0.5, 1.0])
def test_any_size_and_number(shape, part):
    rng = np.random.default_rng(0)
    image = rng.integers(0, 256, (*shape, 3), dtype=np.uint8)
    n = max(1, int(part * shape[0] * shape[1]))
    labels = turbopixels(image, n)
    assert_partition(labels, labels.max() + 1)
    if part == 1.0:
        assert labels.max() + 1 == n


def test_float_and_uint8_agree():
    image = skimage.data.coffee()[:60, :80]
    same = turbopixels(image, 20) == turbopixels(image / 255, 20)
    assert same.mean() > 0.99


def test_max_iterations_ends_it_with_everything_assigned():
    image = skimage.data.coffee()[:60, :80]
    for most, expected in ((1, [0, 1]), (8, [0, 6, 8])):
        states = list(turbopixels_steps(image, 12, max_iterations=most))
        assert [state.iteration for state in states] == expected
        assert_partition(states[-1].labels, 12)


@pytest.mark.parametrize(
    ("image", "message"),
    [
        (np.full((5, 5, 3), np.nan), "NaN"),
        (np.zeros((0, 5, 3)), "empty"),
        (np.zeros((5, 5)), "grey"),
        (np.zeros((5, 5, 3), np.uint16), "uint16"),
        (np.zeros((5, 5, 4), np.uint8), "alpha"),
        (np.zeros((3, 5, 5), np.uint8), "transpose"),
    ],
)
def test_says_what_is_wrong_with_an_image(image, message):
    with pytest.raises(ValueError, match=message):
        turbopixels(image, 4)


@pytest.mark.parametrize(
    "wrong", [{"n_segments": 0}, {"n_segments": 26}, {"nu": 0}, {"max_iterations": 0}]
)
def test_names_the_parameter_at_fault(wrong):
    with pytest.raises(ValueError, match=next(iter(wrong))):
        turbopixels(np.zeros((5, 5, 3), np.uint8), **({"n_segments": 4} | wrong))
