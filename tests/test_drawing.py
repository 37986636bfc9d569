import matplotlib.pyplot as plt
import numpy as np
import pytest

from segedu import drawing


@pytest.fixture
def image():
    return np.random.default_rng(0).integers(0, 256, (8, 10, 3)).astype(np.uint8)


@pytest.fixture
def halves():
    labels = np.zeros((8, 10), np.int32)
    labels[:, 5:] = 3
    return labels


def test_palette_starts_with_the_named_colors_and_never_repeats_early():
    colors = drawing.palette(35)
    assert np.array_equal(colors[:7], drawing.PALETTE)
    assert len(np.unique(colors, axis=0)) == 35
    assert drawing.palette(0).shape == (0, 3)
    with pytest.raises(ValueError, match="must not be negative"):
        drawing.palette(-1)


def simulate_dichromat(colors, kind):
    """Simulate how a dichromat sees linear RGB (Viénot, Brettel & Mollon 1999)."""
    to_lms = np.array(
        [[17.8824, 43.5161, 4.11935], [3.45565, 27.1554, 3.86714], [0.0299566, 0.184309, 1.46709]]
    )
    missing = {
        "protan": [[0, 2.02344, -2.52581], [0, 1, 0], [0, 0, 1]],
        "deutan": [[1, 0, 0], [0.494207, 0, 1.24827], [0, 0, 1]],
    }[kind]
    linear = (colors / 255.0) ** 2.2
    seen = linear @ (np.linalg.inv(to_lms) @ np.array(missing) @ to_lms).T
    return np.clip(seen, 0, 1) ** (1 / 2.2)


@pytest.mark.parametrize("kind", ["protan", "deutan"])
def test_palette_stays_distinct_for_colour_blind_readers(kind):
    from segedu.images import rgb_to_lab_array

    seen = rgb_to_lab_array(simulate_dichromat(drawing.PALETTE, kind)[None])[0]
    distances = np.linalg.norm(seen[:, None] - seen[None], axis=-1)
    assert distances[~np.eye(len(seen), dtype=bool)].min() > 10


def test_boundaries_are_one_pixel_wide(halves):
    edge = drawing.boundaries(halves)
    assert np.array_equal(np.flatnonzero(edge.any(axis=0)), [4])
    assert edge[:, 4].all()
    assert drawing.boundaries(halves, thickness=3).any(axis=0).sum() == 3
    assert not drawing.boundaries(np.zeros((3, 3), int)).any()
    with pytest.raises(ValueError, match="at least 1"):
        drawing.boundaries(halves, thickness=0)


def test_mark_boundaries_changes_only_the_boundary(image, halves):
    out = drawing.mark_boundaries(image, halves, color=drawing.BLUE)
    assert (out[:, 4] == drawing.BLUE).all()
    keep = np.delete(np.arange(10), 4)
    assert np.array_equal(out[:, keep], image[:, keep])


def test_mean_colors(image, halves):
    out = drawing.mean_colors(image, halves)
    expected = np.rint(image[:, :5].reshape(-1, 3).mean(axis=0))
    assert (out[:, :5] == expected).all()
    assert np.array_equal(np.unique(out.reshape(-1, 3), axis=0).shape, (2, 3))


def test_overlay_labels(image, halves):
    assert np.array_equal(drawing.overlay_labels(image, halves, alpha=0), image)
    full = drawing.overlay_labels(image, halves, alpha=1)
    assert (full[:, :5] == drawing.PALETTE[0]).all() and (full[:, 5:] == drawing.PALETTE[3]).all()
    ignored = drawing.overlay_labels(image, halves, alpha=1, ignore=3)
    assert np.array_equal(ignored[:, 5:], image[:, 5:])
    with pytest.raises(ValueError, match="must not be negative"):
        drawing.overlay_labels(image, halves - 1)
    with pytest.raises(ValueError, match="alpha"):
        drawing.overlay_labels(image, halves, alpha=1.5)
    with pytest.raises(ValueError, match=r"must have shape \(8, 10\)"):
        drawing.overlay_labels(image, halves[:4])


def test_overlay_mask_tints_inside_and_leaves_the_rest(image):
    mask = np.zeros((8, 10), bool)
    mask[2:6, 2:6] = True
    out = drawing.overlay_mask(image, mask, alpha=1, contour=0)
    assert (out[mask] == drawing.BLUE).all()
    assert np.array_equal(out[~mask], image[~mask])
    assert not np.array_equal(drawing.overlay_mask(image, mask, contour=1)[~mask], image[~mask])
    empty = np.zeros((8, 10), bool)
    assert np.array_equal(drawing.overlay_mask(image, empty), image)


def test_drawing_does_not_write_into_its_input(image, halves):
    before = image.copy()
    drawing.mark_boundaries(image, halves)
    drawing.overlay_mask(image, halves > 0)
    drawing.overlay_labels(image, halves)
    assert np.array_equal(image, before)


def test_a_legend_names_the_colours_of_classes(image):
    classes = {"road": (128, 64, 128), "sky": (70, 130, 180)}
    below = drawing.figure_grid([image] * 2, columns=2, legend=classes).legends[0]
    assert [text.get_text() for text in below.get_texts()] == ["road", "sky"]
    face = below.get_patches()[1].get_facecolor()
    np.testing.assert_allclose(np.array(face[:3]) * 255, classes["sky"])
    figure = drawing.figure_grid([image] * 3, columns=2, legend=classes)
    assert not figure.legends
    assert figure.axes[-1].get_legend() is not None  # in the empty place


def test_figure_grid(image):
    figure = drawing.figure_grid([image] * 4, ["a", "b", "c", "d"], columns=3, title="all")
    titles = [axis.get_title() for axis in figure.axes]
    assert titles == ["a", "b", "c", "d", "", ""]
    assert not plt.get_fignums()
    with pytest.raises(ValueError, match="4 images need as many titles, got 1"):
        drawing.figure_grid([image] * 4, ["a"])
    with pytest.raises(ValueError, match="at least one"):
        drawing.figure_grid([])
