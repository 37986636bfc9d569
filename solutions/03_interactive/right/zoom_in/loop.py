"""Pixel by pixel."""

import math


def zoom_box(mask, clicks, expansion=1.4, min_size=200):
    """Bounds by looking at all pixels."""
    pixels = [(r, c) for r in range(mask.shape[0]) for c in range(mask.shape[1]) if mask[r, c]]
    if not pixels:
        return None
    pixels += [(int(y), int(x)) for x, y, label in clicks if label == 1]
    bounds = []
    for axis in (0, 1):
        a, b = min(p[axis] for p in pixels), max(p[axis] for p in pixels)
        h = 0.5 * max(expansion * (b - a + 1), min_size)
        c = 0.5 * (a + b)
        bounds.append(max(0, int(np.rint(c - h))))
        bounds.append(min(mask.shape[axis] - 1, int(np.rint(c + h))))
    return tuple(bounds)


def paste_back(answer, box, height, width):
    """Each pixel of the box asks its four neighbours in the answer."""
    top, bottom, left, right = box
    h, w = answer.shape
    whole = np.zeros((height, width))
    for row in range(top, bottom + 1):
        for column in range(left, right + 1):
            y = (row - top) * (h - 1) / max(bottom - top, 1)
            x = (column - left) * (w - 1) / max(right - left, 1)
            i, j = math.floor(y), math.floor(x)
            k, m = min(i + 1, h - 1), min(j + 1, w - 1)
            upper = (1 - x + j) * answer[i, j] + (x - j) * answer[i, m]
            lower = (1 - x + j) * answer[k, j] + (x - j) * answer[k, m]
            whole[row, column] = (1 - y + i) * upper + (y - i) * lower
    return whole
