"""The window by OpenCV's dilation."""

import cv2


def boundary_recall(labels, truth, tolerance=2):
    """Dilate the superpixels' boundaries and look which true ones are covered."""
    maps = []
    for segments in (labels, truth):
        edge = np.zeros(segments.shape, np.uint8)
        ys, xs = np.nonzero(np.diff(segments, axis=0))
        edge[ys, xs] = edge[ys + 1, xs] = 1
        ys, xs = np.nonzero(np.diff(segments, axis=1))
        edge[ys, xs] = edge[ys, xs + 1] = 1
        maps.append(edge)
    near = cv2.dilate(maps[0], np.ones((2 * tolerance + 1, 2 * tolerance + 1), np.uint8))
    total = int(maps[1].sum())
    return int((near & maps[1]).sum()) / total if total else 1.0
