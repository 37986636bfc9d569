"""Your D is squared: equation 3 ends with a square root."""


def slic_distance(pixels, centers, S, m):
    difference = np.asarray(pixels, float) - np.asarray(centers, float)
    color = (difference[..., :3] ** 2).sum(axis=-1)
    place = (difference[..., 3:] ** 2).sum(axis=-1)
    return color + place / S**2 * m**2
