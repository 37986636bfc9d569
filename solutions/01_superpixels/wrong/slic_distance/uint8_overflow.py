"""You subtract before you make floats: in uint8, 3 - 5 is 254."""


def slic_distance(pixels, centers, S, m):
    difference = (pixels - centers).astype(float)
    color = (difference[..., :3] ** 2).sum(axis=-1)
    place = (difference[..., 3:] ** 2).sum(axis=-1)
    return np.sqrt(color + place / S**2 * m**2)
