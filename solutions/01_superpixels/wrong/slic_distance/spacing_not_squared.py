"""You divide the squared place by S; d_s is divided by S before it is squared, so divide by S squared."""


def slic_distance(pixels, centers, S, m):
    difference = np.asarray(pixels, float) - np.asarray(centers, float)
    color = (difference[..., :3] ** 2).sum(axis=-1)
    place = (difference[..., 3:] ** 2).sum(axis=-1)
    return np.sqrt(color + place / S * m**2)
