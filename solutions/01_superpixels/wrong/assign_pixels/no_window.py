"""You compare every pixel with every centre; a centre only sees the pixels in its window."""


def assign_pixels(lab, centers, S, m):
    height, width = lab.shape[:2]
    y, x = np.mgrid[:height, :width]
    pixels = np.dstack([lab, x, y]).astype(float)
    d = slic_distance(pixels[None], centers[:, None, None], S, m)
    return d.argmin(axis=0), d.min(axis=0)
