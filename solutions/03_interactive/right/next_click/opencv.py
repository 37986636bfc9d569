"""OpenCV's exact distances; the last of several pixels."""

import cv2


def next_click(mask, truth, ignored=None):
    """Pad, measure, take the padding away."""
    wrong = mask != truth
    if ignored is not None:
        wrong = wrong & np.logical_not(ignored)
    if not wrong.any():
        return None
    best = {}
    for label in (0, 1):
        error = np.pad((wrong & (truth == bool(label))).astype(np.uint8), 1)
        best[label] = cv2.distanceTransform(error, cv2.DIST_L2, cv2.DIST_MASK_PRECISE)[1:-1, 1:-1]
    label = 1 if best[1].max() > best[0].max() else 0
    rows, columns = np.where(best[label] == best[label].max())
    return [columns[-1], rows[-1], label]
