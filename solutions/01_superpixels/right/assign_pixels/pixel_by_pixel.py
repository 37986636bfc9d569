"""A loop over pixels and centres, as a list and not a tuple."""


def assign_pixels(lab, centers, S, m):
    """The definition, word for word."""
    height, width = lab.shape[:2]
    labels = np.full((height, width), -1, np.int64)
    distance = np.full((height, width), np.inf, np.float32)
    for row in range(height):
        for col in range(width):
            pixel = np.array([*lab[row, col], col, row], float)
            nearest = np.inf
            for k in range(len(centers)):
                offset = np.abs(pixel - centers[k])[3:]
                if offset.max() <= S:
                    d = slic_distance(pixel, centers[k], S, m)
                    if d < nearest:
                        nearest = d
                        labels[row, col] = k
            distance[row, col] = nearest
    return [labels, distance]
