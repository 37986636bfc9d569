"""You wrote equation 2, where the colour is divided by m; equation 3 multiplies the place by m instead."""


def slic_distance(pixels, centers, S, m):
    difference = np.asarray(pixels, float) - np.asarray(centers, float)
    color = (difference[..., :3] ** 2).sum(axis=-1)
    place = (difference[..., 3:] ** 2).sum(axis=-1)
    return np.sqrt(color / m**2 + place / S**2)
