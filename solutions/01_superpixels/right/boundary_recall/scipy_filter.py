"""Boundaries where the minimum and maximum over a cross differ; the window by a maximum filter."""

from scipy import ndimage


def boundary_recall(labels, truth, tolerance=2):
    """Morphology on whole arrays."""
    cross = ndimage.generate_binary_structure(2, 1)

    def boundary(segments):
        lowest = ndimage.minimum_filter(segments, footprint=cross, mode="nearest")
        highest = ndimage.maximum_filter(segments, footprint=cross, mode="nearest")
        return lowest != highest

    wanted = boundary(truth)
    near = ndimage.maximum_filter(boundary(labels), size=2 * tolerance + 1, mode="constant", cval=0)
    return np.float32((wanted & near).sum() / wanted.sum()) if wanted.any() else 1
