"""Click by click, pixel by pixel."""

import math


def disk_maps(clicks, height, width, radius=5):
    """Ask each pixel for its distance."""
    maps = np.zeros((2, height, width), np.float32)
    for x, y, label in clicks.tolist():
        if label < 0:
            continue
        for row in range(height):
            for column in range(width):
                if math.dist((x, y), (column, row)) <= radius:
                    maps[int(1 - label), row, column] = 1
    return maps
