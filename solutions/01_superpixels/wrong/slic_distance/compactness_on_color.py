"""You weigh the colour with m; m belongs to the place, so that a large m makes squarer superpixels."""


def slic_distance(pixels, centers, S, m):
    difference = np.asarray(pixels, float) - np.asarray(centers, float)
    color = (difference[..., :3] ** 2).sum(axis=-1)
    place = (difference[..., 3:] ** 2).sum(axis=-1)
    return np.sqrt(color * m**2 + place / S**2)
