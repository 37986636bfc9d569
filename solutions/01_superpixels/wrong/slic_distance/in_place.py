"""You subtract in place (`-=`), so the pixels you were given change; make a new array."""


def slic_distance(pixels, centers, S, m):
    shape = np.broadcast_shapes(pixels.shape, centers.shape)
    if shape == pixels.shape and pixels.dtype.kind == "f":
        pixels -= centers
        difference = pixels
    else:
        difference = np.asarray(pixels, float) - np.asarray(centers, float)
    color = (difference[..., :3] ** 2).sum(axis=-1)
    place = (difference[..., 3:] ** 2).sum(axis=-1)
    return np.sqrt(color + place / S**2 * m**2)
