"""You sum over all axes; sum over the last one only, so that many pixels give many distances."""


def slic_distance(pixels, centers, S, m):
    difference = np.asarray(pixels, float) - np.asarray(centers, float)
    color = (difference[..., :3] ** 2).sum()
    place = (difference[..., 3:] ** 2).sum()
    return np.sqrt(color + place / S**2 * m**2)
