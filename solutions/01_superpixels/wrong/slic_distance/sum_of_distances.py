"""You add d_c and d_s themselves, as SLIC's first version of 2010 did; equation 3 adds their squares."""


def slic_distance(pixels, centers, S, m):
    difference = np.asarray(pixels, float) - np.asarray(centers, float)
    color = np.sqrt((difference[..., :3] ** 2).sum(axis=-1))
    place = np.sqrt((difference[..., 3:] ** 2).sum(axis=-1))
    return color + m / S * place
